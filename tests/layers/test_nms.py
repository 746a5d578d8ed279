"""NMS: OpenCV's results, values by hand, and what it refuses."""

import numpy as np
import pytest

from caffe_pylayers._layer.detection import nms
from caffe_pylayers._layer.detection.overlaps import box_iou_forward
from caffe_pylayers.nms import NMS
from caffe_pylayers.testing import LayerRun
from tests.layers.cases.boxes import boxes

rng = np.random.RandomState(3)


def crowded(count):
    """Boxes around fewer places, and scores."""
    places = np.tile(boxes(count // 8 + 1, 300.0), (8, 1))[:count]
    moves = np.tile(rng.uniform(-8, 8, (count, 2)), 2)
    return (places + moves).astype(np.float32), rng.rand(count).astype(np.float32)


def one_by_one(boxes, scores, threshold, plus_one, eta=1.0):
    """Greedy suppression as its definition reads."""
    iou, kept = box_iou_forward(boxes, boxes, plus_one), []
    for i in np.argsort(-scores, kind="stable"):
        if all(iou[i, j] <= threshold for j in kept):
            kept.append(i)
            threshold *= eta if threshold > 0.5 else 1
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 500])
def test_greedy_is_its_definition(count, threshold):
    some, scores = crowded(count) if count else (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    scores = scores.round(1)  # ties
    expected = one_by_one(some, scores, threshold, True)
    assert nms.greedy_nms(some, scores, threshold, True).tolist() == expected
    assert nms.greedy_nms(some, scores, threshold, True, most=7).tolist() == expected[:7]


def test_ssds_threshold_shrinks():
    some, scores = crowded(300)
    kept = nms.greedy_nms(some, scores, 0.7, False, eta=0.9).tolist()
    assert kept == one_by_one(some, scores, 0.7, False, eta=0.9)
    assert len(kept) < len(nms.greedy_nms(some, scores, 0.7, False))


def as_opencv(boxes):
    return [(float(x1), float(y1), float(x2 - x1), float(y2 - y1)) for x1, y1, x2, y2 in boxes]


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_greedy_is_opencvs(threshold):
    cv2 = pytest.importorskip("cv2")
    some, scores = crowded(400)
    text = f"{{nms_threshold: {threshold}, legacy_plus_one: false, score_threshold: 0.2, top_k: 250}}"
    _, index = LayerRun(NMS, [some, scores], tops=2, param_str=text).forward()
    expected = cv2.dnn.NMSBoxes(as_opencv(some), scores.tolist(), 0.2, threshold, top_k=250)
    assert index.tolist() == expected.ravel().tolist()


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_soft_is_opencvs(method):
    cv2 = pytest.importorskip("cv2", minversion="4.5.2")  # the first with softNMSBoxes
    some, scores = crowded(100)
    some = some.round()  # it takes whole pixels
    text = f"{{method: {method}, nms_threshold: 0.3, sigma: 0.4, legacy_plus_one: false, score_threshold: 0.05}}"
    found, index = LayerRun(NMS, [some, scores], tops=2, param_str=text).forward()
    # Its linear method has a name that differs from version to version; the numbers do not.
    weights, expected = cv2.dnn.softNMSBoxes(
        [tuple(map(int, box)) for box in as_opencv(some)],
        scores.tolist(),
        0.05,
        0.3,
        sigma=0.4,
        method={"linear": 1, "gaussian": 2}[method],
    )
    order = np.argsort(-np.ravel(weights), kind="stable")
    assert index.tolist() == np.ravel(expected)[order].tolist()
    np.testing.assert_allclose(found[:, 2], np.ravel(weights)[order], rtol=1e-4)


def test_images_and_classes_are_apart():
    rois = [[0, 0, 0, 9, 9], [1, 0, 0, 9, 9], [0, 1, 0, 10, 9]]
    scores = [[0.1, 0.6, 0.3], [0.2, 0.7, 0.1], [0.0, 0.1, 0.9]]
    found, index = LayerRun(NMS, [rois, scores], tops=2).forward()
    expected = [[0, 1, 0.6], [0, 2, 0.9], [1, 1, 0.7], [1, 2, 0.1]]
    np.testing.assert_allclose(found[:, :3], expected)
    assert index.tolist() == [0, 2, 1, 1]
    found, index = LayerRun(NMS, [rois, scores], tops=2, param_str="keep_top_k: 1").forward()
    np.testing.assert_allclose(found[:, :3], [[0, 2, 0.9], [1, 1, 0.7]])


def test_linear_by_hand():
    some = [[0, 0, 9, 9], [0, 0, 9, 4], [50, 0, 59, 9]]
    (found,) = LayerRun(NMS, [some, [0.9, 0.8, 0.6]], param_str="{method: linear, nms_threshold: 0.3}").forward()
    np.testing.assert_allclose(found[:, 2], [0.9, 0.6, 0.8 * (1 - 0.5)])


def test_the_best_so_many():
    scores = rng.randint(0, 50, 2000).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    for most in (None, 0, 1, 10, 499, 500, 1999, 3000):
        assert nms.by_score(scores, most).tolist() == order[:most].tolist()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(3, 5), (2, 4)], r"bottom\[1\] \(scores\) must have shape \(3, C\), got \(2, 4\)"),
        ([(3, 5), (3, 4), (3, 12)], r"bottom\[2\] \(boxes\) must have shape \(3, 16\), or 4 or 8 .* got \(3, 12\)"),
        ([(3, 7), (3, 4)], r"bottom\[0\] \(rois\) must have shape \(R, 4\) or \(R, 5\), got \(3, 7\)"),
    ],
)
def test_refused_shapes(shapes, message):
    with pytest.raises(ValueError, match=f"^NMS: .*{message}"):
        LayerRun(NMS, list(map(np.zeros, shapes)))


@pytest.mark.parametrize("method", ["greedy", "linear"])
def test_only_what_counts_must_be_numbers(method):
    some, scores = boxes(3), np.array([[np.nan, 0.5, 0.1], [0.2, 0.6, 0.1], [0.2, 0.0, 0.0]])
    some[2] = np.nan  # no score above the threshold
    text = f"{{method: {method}, score_threshold: 0.05}}"
    assert set(LayerRun(NMS, [some, scores], tops=2, param_str=text).forward()[1]) == {0, 1}
    scores[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"^NMS: bottom\[1\] \(scores\) must be numbers, got nan at index \(1, 2\)"):
        LayerRun(NMS, [some, scores], param_str=text).forward()
    some[1, 3] = np.inf
    with pytest.raises(ValueError, match=r"^NMS: bottom\[0\] \(rois\) must be finite, got inf at index \(1, 3\)"):
        LayerRun(NMS, [some, np.nan_to_num(scores)], param_str=text).forward()

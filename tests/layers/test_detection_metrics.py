"""MeanAveragePrecision: COCO's own evaluation, VOC's curve by hand, a pass of batches, and what it refuses."""

import contextlib
import io

import numpy as np
import pytest

from caffe_pylayers.detection_metrics import (
    DetectionEvaluate,
    MeanAveragePrecision,
    evaluated_precisions,
    interpolated_average_precision,
)
from caffe_pylayers.testing import LayerRun
from tests.layers.cases import detection_metrics as cases
from tests.layers.cases.boxes import boxes

TEST = 1
rng = np.random.RandomState(3)


def run(detections, gt, tops=1, **options):
    text = str({"num_classes": 4, **options})
    return LayerRun(MeanAveragePrecision, [detections, gt], tops=tops, param_str=text, phase=TEST)


def scene(images, classes=3, crowds=0.2):
    """Objects (G, 7), and detections around them, some of none and many of the same score."""
    objects = boxes(images * 9, 200.0)
    gt = np.column_stack(
        [
            np.repeat(np.arange(images), 9),
            objects,
            rng.randint(1, classes + 1, len(objects)),
            rng.rand(len(objects)) < crowds,
        ]
    )
    near = np.repeat(gt, 4, 0)
    near[:, 1:5] += rng.uniform(-1.4, 1.4, (len(near), 4))  # none is turned round
    near[:, 1:5] += np.tile(rng.uniform(-4, 4, (len(near), 2)) * rng.rand(len(near), 1), 2)
    wrong = rng.rand(len(near)) < 0.15
    near[wrong, 5] = rng.randint(1, classes + 1, wrong.sum())
    score = rng.rand(len(near)).round(2)
    return np.column_stack([near[:, 0], near[:, 5], score, near[:, 1:5]]), gt


def coco_precision(detections, gt, most):
    """COCOeval's mean precision, and that by class and by threshold."""
    coco, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")

    def wide(box):
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    objects = [
        {
            "id": i + 1,
            "image_id": int(row[0]),
            "category_id": int(row[5]),
            "bbox": wide(row[1:5]),
            "area": (row[3] - row[1]) * (row[4] - row[2]),
            "iscrowd": int(row[6]),
        }
        for i, row in enumerate(gt)
    ]
    found = [
        {"image_id": int(row[0]), "category_id": int(row[1]), "score": row[2], "bbox": wide(row[3:])}
        for row in detections
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(int(gt[:, 0].max()) + 1)],
            "annotations": objects,
            "categories": [{"id": c} for c in (1, 2, 3)],
        }
        truth.createIndex()
        judge = evaluation.COCOeval(truth, truth.loadRes(found), "bbox")
        judge.params.maxDets = [most]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 0]  # thresholds, recalls, classes
    return precision.mean(), precision.mean((0, 1)), precision.mean((1, 2))


@pytest.mark.parametrize("most", [100, 5])
def test_coco(most):
    detections, gt = scene(12)
    expected = coco_precision(detections, gt, most)
    tops = run(detections, gt, 3, protocol="coco", max_detections=most).forward()
    assert 0.2 < expected[0] < 0.9
    for ours, theirs in zip(tops, expected):
        np.testing.assert_allclose(ours, np.atleast_1d(theirs), rtol=1e-12)


def in_batches(layer, batches):
    """The mean of a layer's tops over batches of one scene."""
    sums = 0
    for detections, gt in batches:
        for blob, values in zip(layer.bottom, (detections, gt)):
            blob.reshape(*values.shape)
            blob.data[...] = values
        sums = sums + np.concatenate([top.ravel() for top in layer.forward()])
    return sums / len(batches)


@pytest.mark.parametrize("protocol", ["voc07", "voc10", "coco"])
def test_a_pass_is_its_batches_together(protocol):
    detections, gt = scene(12)
    detections[:, 2] = rng.permutation(len(detections)) / len(detections)  # no ties, whose order may differ
    whole = np.concatenate([top.ravel() for top in run(detections, gt, 3, protocol=protocol).forward()])
    batches = []
    for first in range(0, 12, 3):
        parts = [rows[(rows[:, 0] >= first) & (rows[:, 0] < first + 3)].copy() for rows in (detections, gt)]
        for rows in parts:
            rows[:, 0] -= first
        batches.append(parts)
    found = in_batches(run(*batches[0], 3, protocol=protocol), batches)
    np.testing.assert_allclose(found, whole, rtol=1e-12)


# Objects at 0, 100, 200 and a difficult one at 300; found, twice, none, difficult, found: 4 that count, 3 objects.
OBJECTS = [[0, x, 0, x + 9, 9, 1, difficult] for x, difficult in ((0, 0), (100, 0), (200, 0), (300, 1))]
FOUND = [[0, 1, score, x, 0, x + 9, 9] for score, x in ((0.9, 0), (0.8, 1), (0.7, 500), (0.6, 300), (0.5, 100))]
# precision 1, 1/2, 1/3, -, 2/4 at recall 1/3, 1/3, 1/3, -, 2/3


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [("voc07", (4 * 1 + 3 * 0.5) / 11), ("voc10", (1 + 0.5) / 3), ("coco", (34 * 1 + 33 * 0.5) / 101)],
)
def test_by_hand(protocol, expected):
    gt = OBJECTS if protocol != "coco" else np.multiply(OBJECTS, [1, 1, 1, 1, 1, 1, 1])
    found, by_class, _ = run(FOUND, gt, 3, protocol=protocol, iou_thresholds=[0.5]).forward()
    np.testing.assert_allclose(found, [expected])
    np.testing.assert_allclose(by_class, [expected, 0, 0])


def test_ssds_blobs_give_the_same():
    gt = np.array(OBJECTS, float)
    ssd = np.column_stack([gt[:, 0], gt[:, 5], gt[:, 0], gt[:, 1:5], gt[:, 6]])
    ssd = np.concatenate([ssd, [[-1] * 8]]).reshape(1, 1, 5, 8)
    np.testing.assert_allclose(run(FOUND, ssd).forward(), run(FOUND, gt).forward())
    easy = gt[:3, 1:6]
    np.testing.assert_allclose(run(FOUND[:3], easy).forward(), run(FOUND[:3], easy[None]).forward())


def test_an_overlap_at_the_threshold_counts():
    # 50 of 100 pixels
    found = [[0, 1, 0.9, 0, 0, 4, 9]]
    for protocol in ("voc07", "coco"):
        options = {"protocol": protocol, "iou_thresholds": [0.5, 0.501], "legacy_plus_one": True}
        top = run(found, [[0, 0, 9, 9, 1]], 3, **options).forward()[2]
        np.testing.assert_allclose(top, [1, 0])


def test_nothing_found_is_zero_and_no_objects_are_undefined():
    none = np.zeros(0, bool)
    for protocol in ("voc07", "voc10", "coco"):
        assert interpolated_average_precision(none, none, 3, protocol) == 0
        assert np.isnan(interpolated_average_precision(none, none, 0, protocol))


@pytest.mark.parametrize(
    ("detections", "gt", "message"),
    [
        ([[0, 4, 0.5, 0, 0, 9, 9]], OBJECTS, r"bottom\[0\] \(detections\) has the class 4, outside \[1, 4\)"),
        ([[0, 1.5, 0.5, 0, 0, 9, 9]], OBJECTS, r"has the class 1.5 in row 0, which is no integer"),
        ([FOUND[0], [0, np.nan, 0.5, 0, 0, 9, 9]], OBJECTS, r"has the class nan in row 1, which is no integer"),
        ([FOUND[0], [0, 1, np.nan, 0, 0, 9, 9]], OBJECTS, r"\(detections\) must be numbers, got nan at index \(1, 2\)"),
        ([[0, 1, 0.5, 0, 0, np.inf, 9]], OBJECTS, r"\(detections\) must be finite, got inf at index \(0, 5\)"),
        (FOUND, [[0, 0, np.nan, 9, 1]], r"\(gt_boxes\) must be finite, got nan at index \(0, 2\)"),
        (FOUND, [[0, 0, 9, 9, np.nan]], r"\(gt_boxes\) has the class nan in row 0, which is no integer"),
        (FOUND, [[0, 0, 9, 9, 4]], r"bottom\[1\] \(gt_boxes\) has the class 4, outside \[0, 4\)"),
        (
            [[1, 1, 0.5, 0, 0, 9, 9]],
            [[0, 0, 9, 9, 1]],
            r"has the batch index 1 in row 0; it must be one of the 1 images",
        ),
    ],
)
def test_refused(detections, gt, message):
    layer = run(detections, gt)
    with pytest.raises(ValueError, match=f"^MeanAveragePrecision: .*{message}"):
        layer.forward()


# --- DetectionEvaluate ---------------------------------------------------------------------------

SSD_OBJECTS = np.array(
    [
        [0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0],
        [0, 1, 1, 0.5, 0.5, 0.9, 0.9, 1],
        [1, 2, 0, 0.2, 0.2, 0.4, 0.4, 0],
        [-1, 0, 0, 0, 0, 0, 0, 0],
    ]
)[None, None]
SSD_FOUND = np.array(
    [
        [1, 2, 0.4, 0.2, 0.2, 0.4, 0.29],
        [0, 1, 0.9, 0.1, 0.1, 0.5, 0.4],
        [0, 1, 0.8, 0.1, 0.1, 0.5, 0.5],
        [0, 1, 0.7, 0.5, 0.5, 0.9, 0.8],
        [0, 2, 0.6, 0.5, 0.5, 0.9, 0.8],
        [2, -1, -1, -1, -1, -1, -1],
    ]
)[None, None]


def evaluated(text="", found=SSD_FOUND, objects=SSD_OBJECTS):
    return LayerRun(DetectionEvaluate, [found, objects], param_str=f"{{num_classes: 3{text}}}").forward()[0][0, 0]


def test_what_each_detection_is():
    counts = [[-1, 1, 2, -1, -1], [-1, 2, 1, -1, -1]]
    first = [[0, 1, 0.9, 1, 0], [0, 1, 0.8, 0, 1]]
    last = [[0, 2, 0.6, 0, 1], [1, 2, 0.4, 0, 1]]
    assert evaluated().tolist() == [*counts, *first, [0, 1, 0.7, 1, 0], *last]
    counts[0][2] = 1  # a difficult one does not count, nor what finds it
    assert evaluated(", evaluate_difficult_gt: false").tolist() == [*counts, *first, [0, 1, 0.7, 0, 0], *last]
    assert evaluated(", overlap_threshold: 0.4")[-1].tolist() == [1, 2, 0.4, 1, 0]


@pytest.mark.parametrize(
    ("ap_version", "first"), [("11point", (6 + 5 * 2 / 3) / 11), ("MaxIntegral", 5 / 6), ("Integral", 5 / 6)]
)
def test_ssds_average_precisions(ap_version, first):
    """Of class 1: right, wrong, right; its recalls are 1/2, 1/2, 1, its precisions 1, 1/2, 2/3."""
    assert evaluated_precisions(evaluated(), ap_version) == pytest.approx({1: first, 2: 0})


def test_the_area_under_the_precision_itself():
    """Wrong, right, right: precisions 0, 1/2, 2/3, which the largest behind raises to 2/3."""
    found = np.array([False, True, True])
    assert interpolated_average_precision(found, ~found & False, 2, "integral") == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert interpolated_average_precision(found, ~found & False, 2, "voc10") == pytest.approx(2 / 3)


def test_average_precisions_are_those_of_the_metric():
    """Over two batches; without difficult objects and absent classes both leave the same out."""
    batches = [cases.shares, cases.shares[:12]]
    rows, metric = (
        [],
        LayerRun(
            MeanAveragePrecision,
            [batches[0], cases.ssd],
            tops=2,
            phase=1,
            param_str="{num_classes: 4, protocol: voc10, legacy_plus_one: false, report: running}",
        ),
    )
    text = "{num_classes: 4, evaluate_difficult_gt: false}"
    evaluate = LayerRun(DetectionEvaluate, [batches[0], cases.ssd], param_str=text, phase=1)
    for batch in batches:
        for run in (metric, evaluate):
            run.bottom[0].reshape(*batch.shape)
            run.bottom[0].data[...] = batch
        by_class = metric.forward()[1]
        rows.append(evaluate.forward()[0][0, 0].copy())
    found = list(evaluated_precisions(np.concatenate(rows), "MaxIntegral").values())
    assert found == pytest.approx(by_class)
    text = "{num_classes: 4, evaluate_difficult_gt: false, ap_version: MaxIntegral}"
    of_pass = LayerRun(DetectionEvaluate, [batches[0], cases.ssd], param_str=text, phase=1)
    tops = []
    for batch in batches:
        of_pass.bottom[0].reshape(*batch.shape)
        of_pass.bottom[0].data[...] = batch
        tops.append(of_pass.forward()[0].item())
    assert np.mean(tops) == pytest.approx(np.mean(found))


def test_boxes_in_pixels(tmp_path):
    """The second image is 20 wide: the IoU of x 4 .. 6 and 4 .. 8 is 3 / 5. After the third comes the first."""
    sizes = tmp_path / "sizes.txt"
    sizes.write_text("a 10 10\nb 10 20\nc 30 10\n")
    found, objects = [[1, 2, 0.4, 0.2, 0.2, 0.3, 0.4]], SSD_OBJECTS[:, :, 2:3]
    assert evaluated(", overlap_threshold: 0.55", found, objects)[-1, 3:].tolist() == [0, 1]
    text = f"{{num_classes: 3, overlap_threshold: 0.62, name_size_file: {sizes}}}"
    run = LayerRun(DetectionEvaluate, [found, objects], param_str=text)
    assert [run.forward()[0][0, 0, -1, 3] for _ in range(2)] == [0, 1]


@pytest.mark.parametrize(
    ("options", "size", "expected"),
    [
        ("", (100, 200), [20, 25, 100, 100]),
        ("resize_mode: fit_large_size_and_pad, resize_height: 300, resize_width: 300", (100, 200), [20, 0, 100, 100]),
        ("resize_mode: fit_large_size_and_pad, resize_height: 300, resize_width: 300", (200, 100), [0, 50, 50, 200]),
        ("resize_mode: fit_small_size, height_scale: 60, width_scale: 300", (100, 200), [30, 15, 150, 66]),
        ("resize_mode: fit_small_size", (100, 200), [20, 25, 100, 100]),
    ],
)
def test_where_boxes_are_in_the_image(options, size, expected):
    layer = LayerRun(DetectionEvaluate, [SSD_FOUND, SSD_OBJECTS], param_str=f"{{num_classes: 3, {options}}}").layer
    assert layer.in_pixels(np.array([[0.1, 0.25, 0.5, 1.1]]), size)[0] == pytest.approx(expected)


def test_lists_that_cannot_be_read(tmp_path):
    sizes = tmp_path / "sizes.txt"
    with pytest.raises(ValueError, match=r"^DetectionEvaluate: name_size_file: .*No such file"):
        evaluated(f", name_size_file: {sizes}")
    sizes.write_text("a 10 10\nb 10\n")
    with pytest.raises(ValueError, match=r'^DetectionEvaluate: line 2 of .* must be "name height width", got \'b 10\''):
        evaluated(f", name_size_file: {sizes}")

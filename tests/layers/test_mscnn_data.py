"""Images of window files: what lies where, the labels of cells, cell by cell, and files that are wrong."""

import numpy as np
import pytest

from caffe_pylayers._layer.data.samplers import Alternating
from caffe_pylayers._layer.detection.map_labels import Rules, Scene, map_labels
from caffe_pylayers.mscnn_data import DetectionData, EvalData, ImageGtData, placed
from caffe_pylayers.testing import LayerRun
from tests.layers.files import image, text

OBJECTS = np.array([[3, 3, 22, 20], [30, 8, 45, 30], [2, 30, 9, 37], [20, 20, 44, 47]], float)
SCENE = Scene(
    OBJECTS,
    np.array([1, 2, 3, 1]),
    np.array([False, False, False, True]),
    np.array([[40, 30, 62, 46]], float),
    (48, 64),
    np.array([0, 0, 56, 48], float),
)
ANCHORS, STRIDES = [(16, 16), (24, 32)], [8, 16]


def one_cell(scene, box, on_image, rules):
    """Class, box and IoU of a cell with an anchor, and its IoU with each object; None where it counts for nothing."""

    def area(x1, y1, x2, y2):
        return max(x2 - x1 + rules.plus_one, 0) * max(y2 - y1 + rules.plus_one, 0)

    def shared(other):
        return area(*(f(a, b) for f, a, b in zip((max, max, min, min), box, other)))

    ignored = sum(shared(region) for region in scene.regions) / area(*box) >= rules.ignore_threshold
    if not on_image or (ignored and not rules.objects_first):
        return [0] * 5 + [1], np.zeros(len(scene.objects))
    iou = np.array([shared(each) / (area(*box) + area(*each) - shared(each)) for each in scene.objects])
    best = iou.argmax()
    if iou[best] <= rules.fg_threshold:
        return [0] * 5 + [1 if ignored else iou[best]], iou
    x1, y1, x2, y2 = scene.objects[best]
    label = 0 if scene.ignored[best] else scene.classes[best]
    size = [x2 - x1 + rules.plus_one, y2 - y1 + rules.plus_one]
    return [label, (x1 + x2) / 2, (y1 + y2) / 2, *size, iou[best]], iou


@pytest.mark.parametrize("rules", [Rules(), Rules(True, 0.45, 0.3, True, 0.5), Rules(fg_threshold=0.9, pickup=0)])
def test_cell_by_cell(rules):
    found = map_labels(SCENE, ANCHORS, STRIDES, rules)
    expected, ious, matched = [], [], set()
    for (w, h), stride in zip(ANCHORS, STRIDES):
        rows, columns = round(48 / stride), round(64 / stride)
        labels, overlaps = np.zeros((6, rows, columns)), []
        for y, x in np.ndindex(rows, columns):
            middle = (x + 0.5) * stride, (y + 0.5) * stride
            box = [middle[0] - w / 2, middle[1] - h / 2, middle[0] + w / 2, middle[1] + h / 2]
            on_image = x < int(56 / stride + 0.5)
            if rules.margin is not None:
                reach = w / 2 * rules.margin, h / 2 * rules.margin
                on_image &= box[0] >= -reach[0] and box[1] >= -reach[1]
                on_image &= box[2] < 56 + reach[0] and box[3] < 48 + reach[1]
            labels[:, y, x], overlap = one_cell(SCENE, box, on_image, rules)
            overlaps.append(overlap)
            if overlap.max() > rules.fg_threshold:
                matched.add(int(overlap.argmax()))
        expected.append(labels)
        ious.append(np.max(overlaps, 0))
    for i in sorted({0, 1, 2} - matched):
        which = int(np.argmax([iou[i] for iou in ious]))
        if ious[which][i] < rules.pickup:
            continue
        (x1, y1, x2, y2), labels = OBJECTS[i], expected[which]
        y, x = int((y1 + y2) / 2 / STRIDES[which]), int((x1 + x2) / 2 / STRIDES[which])
        if labels[0, y, x] == 0:
            plus = int(rules.plus_one)
            labels[:5, y, x] = SCENE.classes[i], (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1 + plus, y2 - y1 + plus
            if rules.objects_first:
                labels[5, y, x] = ious[which][i]
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert any((labels[0] > 0).any() for labels in found)


def test_where_an_image_lies():
    assert placed(40, 64, 0, 0) == (12, 0, 40)
    assert placed(40, 64, 0, -30) == (0, 0, 40)
    assert placed(40, 64, 0, 30) == (24, 0, 40)
    assert placed(100, 64, 50, 3) == (0, 21, 64)
    assert placed(100, 64, 5, -9) == (0, 0, 64)
    assert placed(100, 64, 99, 9) == (0, 36, 64)
    assert placed(64, 64, 9, 9) == (0, 0, 64)


def folder(path, *records):
    """Write images that hold their own coordinates, and a window file."""
    pixels = np.stack(np.broadcast_arrays(0, np.arange(40)[:, None], np.arange(60)), -1)  # blue: the column, green: row
    image(path / "a.ppm", pixels)
    image(path / "b.ppm", pixels.transpose(1, 0, 2)[:, :, [0, 2, 1]])
    return str(text(path / "list.txt", *records)), str(path)


RECORDS = "# 0 a.ppm 3 40 60 1 2 0 20 10 39 29 1 0 0 5 5", "# 1", "b.ppm", "3 60 40", "1 1 1 5 8 14 27", "0"


@pytest.mark.parametrize("options", [{"crop": [24, 32]}, {"crop": [80, 96]}, {"min_scale": 8, "max_scale": 64}])
def test_boxes_lie_where_their_pixels_are(tmp_path, options):
    pytest.importorskip("cv2")
    source, root = folder(tmp_path, *RECORDS)
    text = {"source": source, "root": root, "mirror": True, "shuffle": False, "seed": 2, "workers": 0, **options}
    run = LayerRun(ImageGtData, param_str=str(text), tops=2)
    seen = set()
    for turn in range(24):
        data, boxes = run.forward()
        (_, x1, y1, x2, y2, label, ignored) = boxes[0, :, 0, 0]
        box, size = ((20, 10, 39, 29), (60, 40)) if turn % 2 == 0 else ((5, 8, 14, 27), (40, 60))
        assert label == 2 - turn % 2
        assert ignored == turn % 2 or not (0 <= (x1 + x2) / 2 < data.shape[3] and 0 <= (y1 + y2) / 2 < data.shape[2])
        by = (x2 - x1) / (box[2] - box[0])
        np.testing.assert_allclose((y2 - y1) / (box[3] - box[1]), by, rtol=1e-5)
        mirrored = data[0, 0, :, :].max(0)[np.flatnonzero(data[0, 0].max(0))[[0, -1]]]
        flip = mirrored[0] > mirrored[-1]
        seen.add((bool(flip), float(by)))
        x, y = int(min(max((x1 + x2) / 2, 2), data.shape[3] - 3)), int(min(max((y1 + y2) / 2, 2), data.shape[2] - 3))
        if data[0, 0, y, x] == 0 or data[0, 1, y, x] == 0:
            continue  # beside the image
        original = (x + 0.5 - x1) / by, (y + 0.5 - y1) / by + box[1] - 0.5
        column = size[0] - box[2] + original[0] if flip else box[0] + original[0]
        column = size[0] - column - 0.5 if flip else column - 0.5
        assert abs(data[0, 0, y, x] - column) < 2
        assert abs(data[0, 1, y, x] - original[1]) < 2
    assert len(seen) > (4 if "min_scale" in options else 1)


def test_a_batch_is_as_high_or_wide_as_its_first_image(tmp_path):
    pytest.importorskip("cv2")
    source, root = folder(tmp_path, *RECORDS)
    source = str(
        text(
            tmp_path / "two.txt", *(line.replace("2 0 20", "2 0 0 20").replace("1 1 5", "1 1 0 5") for line in RECORDS)
        )
    )
    options = {"source": source, "root": root, "shorter": 40, "longer": 60, "batch_size": 2, "workers": 0}
    run = LayerRun(DetectionData, param_str=str({**options, "aspect_run": 0, "seed": 1}), tops=2)
    shapes = {run.forward()[0].shape for _ in range(6)}
    assert shapes == {(2, 3, 32, 64), (2, 3, 64, 32)}
    run = LayerRun(EvalData, param_str=str({**options, "batch_size": 1}), tops=3)
    data, boxes, sizes = run.forward()
    assert sizes[0, :, 0, 0].tolist() == [32, 64] == list(data.shape[2:])  # 40 x 60, by 32
    np.testing.assert_allclose(boxes[0, :, 0, 0], [0, 20 * 64 / 60, 8, 39 * 64 / 60, 23.2, 2, 0, 0], rtol=1e-6)


def test_in_turn():
    order = Alternating([range(5), range(5, 8)], 2, 1).indices(0, 16)
    for epoch in (order[:8], order[8:]):
        assert sorted(epoch) == list(range(8))
        high = [index < 5 for index in epoch]
        first = high[0]
        assert high[:4] == [first, first, not first, not first]
    assert order[:8] != order[8:]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (("a.ppm 3 40 60 0 0",), r"list.txt:1: needs a record, which begins with #, got 'a.ppm 3 40 60 0 0'"),
        (("# 0 a.ppm 3 40 60 1 2 0 20 10 39 0",), "list.txt:1: needs a path, channels, height, width, objects of 6"),
        (("# 0 a.ppm 3 40 60 0 0", "# 1 a.ppm 3 x 60 0 0"), "list.txt:2: needs a path"),
        (("# 0 a.ppm 3 40 60 1 0 0 1 1 9 9 0",), "list.txt:1: needs a height and a width above 0, and objects"),
        (("# 0 a.ppm 3 40 60 1 1 0 9 1 1 9 0",), "list.txt:1: needs a height"),
        (
            ("# 0 a.ppm 3 40 60 1 2.5 0 1 1 9 9 0",),
            "list.txt:1: needs .* with whole numbers for sizes, classes",
        ),
        (("# 0 a.ppm 3 40 60 1 2 0.5 1 1 9 9 0",), "list.txt:1: needs a height"),
        (("# 0 a.ppm 3 40.5 60 0 0",), "list.txt:1: needs a height"),
        (("# 0 a.ppm 3 40 60 0 0", "# 1 c.ppm 3 40 60 0 0"), r"list.txt:2: .*c.ppm is not there"),
    ],
)
def test_wrong_files(tmp_path, records, message):
    pytest.importorskip("cv2")
    source, root = folder(tmp_path, *records)
    with pytest.raises(ValueError, match=f"^ImageGtData: .*{message}"):
        LayerRun(ImageGtData, param_str=str({"source": source, "root": root}), tops=2)


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (ImageGtData, {"stride": [8], "field_w": [8]}, "parameters stride, field_w and field_h must have as many"),
        (ImageGtData, {"min_scale": 8}, "takes min_scale with a max_scale"),
        (
            ImageGtData,
            {"shorter": 8},
            "takes the parameters shorter and longer together, .* got 8, None and None",
        ),
        (ImageGtData, {"mean": [1, 2]}, "parameter mean must have 1 value or 3, got 2"),
        (DetectionData, {"distort": {"bright": 1}}, "a key of parameter distort must be one of"),
        (EvalData, {"batch_size": 2}, "needs the parameter resize for a batch_size of 2"),
    ],
)
def test_refused(tmp_path, layer, options, message):
    pytest.importorskip("cv2")
    source, root = folder(tmp_path, "# 0 a.ppm 3 40 60 0 0")
    with pytest.raises(ValueError, match=f"^{layer.__name__}: {message}"):
        LayerRun(layer, param_str=str({"source": source, "root": root, **options}), tops=2)


@pytest.mark.parametrize("layer", [ImageGtData, DetectionData, EvalData])
def test_an_image_is_as_large_as_its_record_says(tmp_path, layer):
    pytest.importorskip("cv2")
    source, root = folder(tmp_path, "# 0 a.ppm 3 80 120 0 0")
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*a.ppm is 40 x 60, and 80 x 120 in the window file"):
        LayerRun(layer, param_str=str({"source": source, "root": root, "workers": 0}), tops=2).forward()


@pytest.mark.parametrize("layer", [ImageGtData, DetectionData, EvalData])
def test_in_a_test_images_come_in_order_and_the_same_in_each_pass(tmp_path, layer):
    pytest.importorskip("cv2")
    source, root = folder(tmp_path, "# 0 a.ppm 3 40 60 0 0", "# 1 a.ppm 3 40 60 0 0")
    options = {"source": source, "root": root, "workers": 0, "seed": 1}
    if layer is not EvalData:
        options.update(mirror=True, crop=[80, 96])
    run = LayerRun(layer, param_str=str(options), tops=2, phase=1)
    first, second, again = (run.forward()[0].copy() for _ in range(3))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any() == (layer is not EvalData)  # moved at random, in TEST too

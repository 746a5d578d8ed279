"""DetectNetTransformation: grids cell by cell, boxes beside the pixels that they are around, and what is refused."""

import numpy as np
import pytest

pytest.importorskip("cv2")

import cv2

from caffe_pylayers._layer.images.detectnet_images import Change
from caffe_pylayers.detectnet import DetectNetTransformation, box_grid, changed_boxes, changed_image, coverage_boxes
from caffe_pylayers.testing import LayerRun

NOTHING = Change(0.0, 1.0, False, (60, 80), 0.0, (0, 0))


@pytest.mark.parametrize(
    ("options", "sides"),
    [
        ({}, (20, 15)),
        ({"max_cvg_len": 16}, (16, 15)),
        ({"gridbox_type": "min", "min_cvg_len": 18}, (20, 18)),
        ({"gridbox_type": "min", "min_cvg_len": 35}, (35, 30)),
    ],
)
def test_regions(options, sides):
    """Of a box of 40 x 30, the half."""
    found = coverage_boxes(np.array([[10, 20, 50, 50.0]]), 0.5, **options)
    assert found.tolist() == [[30 - sides[0] / 2, 35 - sides[1] / 2, 30 + sides[0] / 2, 35 + sides[1] / 2]]


def cell_by_cell(boxes, labels, regions, size, stride, classes, obj_norm):
    grid = np.zeros((8 + classes, round(size[0] / stride), round(size[1] / stride)))
    for box, label, region in zip(boxes, labels, regions):
        area = (region[2] - region[0]) * (region[3] - region[1])
        for i, j in np.ndindex(*grid.shape[1:]):
            x, y = j * stride, i * stride
            wide = min(x + stride, region[2]) - max(x, region[0])
            high = min(y + stride, region[3]) - max(y, region[1])
            if wide > 0 and high > 0 and wide * high / stride**2 > 1.2e-7:
                norm = stride**2 / area if obj_norm else max(stride**2 / area, 1)
                cell = [box[0] - x, box[1] - y, box[2] - x, box[3] - y, 1 / (box[2] - box[0]), 1 / (box[3] - box[1])]
                grid[:, i, j] = [1, *cell, norm, *(c == label for c in range(classes))]
    return grid


@pytest.mark.parametrize("obj_norm", [False, True])
def test_grids_cell_by_cell(obj_norm):
    rng = np.random.RandomState(0)
    corners, sides = rng.uniform(-20, 80, (12, 2)), rng.uniform(2, 40, (12, 2))
    boxes, labels = np.concatenate([corners, corners + sides], 1), rng.randint(0, 3, 12)
    regions = coverage_boxes(boxes, 0.7)
    found = box_grid(boxes, labels, regions, (64, 80), 8, 3, obj_norm)
    np.testing.assert_allclose(found, cell_by_cell(boxes, labels, regions, (64, 80), 8, 3, obj_norm))
    assert 0 < found[0].mean() < 1


@pytest.mark.parametrize(
    ("change", "within"),
    [
        (NOTHING, 1e-6),
        (NOTHING._replace(offset=(7, -5)), 1e-6),
        (NOTHING._replace(flip=True), 1),  # as in NVIDIA's, which counts from the last pixel
        (NOTHING._replace(size=(90, 120), offset=(3, 4)), 1),
        (NOTHING._replace(degrees=90.0), 1.5),
        (NOTHING._replace(degrees=-90.0, offset=(4, 2)), 1.5),
    ],
)
def test_boxes_follow_the_pixels(change, within):
    pixels = np.zeros((60, 80, 3), np.float32)
    pixels[20:30, 30:42] = 255
    box = changed_boxes([[30, 20, 42, 30]], change, (60, 80))[0]
    if change.degrees:  # a box keeps its sides
        centre = (box[:2] + box[2:]) / 2
        box = np.tile(centre, 2) + np.array([-5, -6, 5, 6])
    shown = changed_image(pixels, change, (120, 120), (0,))[:, :, 0] > 127
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(found, box, atol=within)


def test_colours():
    pixels = np.random.RandomState(0).uniform(0, 255, (60, 80, 3)).astype(np.float32)
    hsv = cv2.cvtColor(pixels / 255, cv2.COLOR_BGR2HSV)
    found = changed_image(pixels, NOTHING._replace(hue=20, saturation=0.5), (60, 80), (10, 20, 30))
    after = cv2.cvtColor((found + np.array([10, 20, 30], np.float32)) / 255, cv2.COLOR_BGR2HSV)
    np.testing.assert_allclose(after[:, :, 2], hsv[:, :, 2], atol=1e-5)
    np.testing.assert_allclose(after[:, :, 1], hsv[:, :, 1] / 2, atol=1e-4)
    turned = (after[:, :, 0] - hsv[:, :, 0] + 180) % 360 - 180
    assert np.median(turned) == pytest.approx(20, abs=0.01)


def run(data, label, phase=1, **options):
    return LayerRun(DetectNetTransformation, [data, label], param_str=str(options), tops=2, phase=phase)


def labelled(*rows):
    label = np.zeros((1, 1, 5, 16))
    label[0, 0, 0, :2] = len(rows), 16
    for i, row in enumerate(rows, 1):
        label[0, 0, i, :6] = row
    return label


def test_in_testing_images_are_resized():
    data = np.random.RandomState(0).uniform(0, 255, (1, 3, 6, 8)).astype(np.float32)
    label = labelled((2, 2, 4, 2, 0, 1), (0, 0, 8, 6, 0, 5))
    image, grid = run(data, label, size=[12, 16], stride=4, mean=[100]).forward()
    expected = cv2.resize(data[0].transpose(1, 2, 0), (16, 12), interpolation=cv2.INTER_CUBIC) - 100
    np.testing.assert_allclose(image[0], expected.transpose(2, 0, 1), atol=1e-3)
    assert grid.shape == (1, 9, 3, 4)
    assert grid[0, 0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert grid[0, 1:5, 1, 1].tolist() == [0, 0, 8, 4]


def test_in_training_images_differ():
    data = np.random.RandomState(0).uniform(0, 255, (1, 3, 16, 24)).repeat(20, 0)
    label = labelled((4, 4, 10, 8, 0, 1)).repeat(20, 0)
    options = {"size": [16, 24], "shift_x": 8, "shift_y": 8, "scale_prob": 1, "scale_max": 1.4, "rotation_prob": 1}
    images, grids = run(data, label, 0, seed=1, **options).forward()
    assert len({image.tobytes() for image in images}) == 20
    again = run(data, label, 0, seed=1, **options).forward()
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(grids, again[1])
    plain = {f"{name}_prob": 0 for name in ("scale", "flip", "rotation", "hue_rotation", "desaturation", "crop")}
    images, _ = run(data[:2], label[:2], 0, size=[16, 24], **plain).forward()
    np.testing.assert_allclose(images, data[:2], atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": [1, 2]}, "parameter mean must have 1 value or 3, got 2$"),
        ({"classes": {}}, "parameter classes must name a class$"),
        ({"scale_min": 2}, "scale_min must be <= scale_max, got 2 and 1$"),
    ],
)
def test_refused_parameters(options, message):
    with pytest.raises(ValueError, match=rf"^DetectNetTransformation: {message}"):
        run(np.zeros((1, 3, 4, 4)), labelled(), **options)


def test_refused_bottoms():
    data, label = np.zeros((1, 3, 4, 4)), labelled()
    for bottoms, message in (
        ((data[:, :1], label), r"bottom\[0\] \(data\) must have shape \(N, 3, H, W\), got \(1, 1, 4, 4\)"),
        ((data, label[..., :9]), r"bottom\[1\] \(label\) must have shape \(1, 1, R, 16\), got \(1, 1, 5, 9\)"),
    ):
        with pytest.raises(ValueError, match=message):
            run(*bottoms).forward()
    label[0, 0, 0, 0] = 5
    with pytest.raises(ValueError, match="label 0 says 5 boxes of 16 numbers, but has 4 of 16"):
        run(data, label, size=[4, 4]).forward()

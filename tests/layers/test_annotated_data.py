"""AnnotatedData: its transforms by hand and by OpenCV, whole batches by hand, and what it refuses."""

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("lmdb")

import cv2
import lmdb

from caffe_pylayers._layer.data.annotated_datum import message_class
from caffe_pylayers._layer.detection.windows import shared
from caffe_pylayers._layer.images.distortions import scale_hsv, scale_values
from caffe_pylayers._layer.images.fitting import unfit_boxes
from caffe_pylayers._layer.images.noises import NOISES
from caffe_pylayers.annotated_data import (
    AnnotatedData,
    add_noise,
    cut,
    distort,
    emitted,
    expand,
    extrapolate_boxes,
    fit,
    fit_boxes,
    in_window,
    jittered_window,
    random_windows,
    sampled_windows,
    satisfying,
)
from caffe_pylayers.testing import LayerRun
from tests.layers.files import annotated, datums

RNG = np.random.RandomState(3)
PIXELS = RNG.randint(0, 256, (60, 100, 3)).astype(np.uint8)
GRAY = PIXELS[:, :, :1].copy()
BOX = np.array([[0.1, 0.3, 0.3, 0.6]])


def run(source, phase=1, tops=2, **options):
    return LayerRun(AnnotatedData, param_str=str(dict(source=str(source), **options)), tops=tops, phase=phase)


# --- fitting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "size", "shape"),
    [
        ("warp", (30, 30), (30, 30)),
        ("fit_small_size", (30, 30), (30, 50)),
        ("fit_small_size", (30, 80), (48, 80)),
        ("fit_large_size_and_pad", (30, 30), (30, 30)),
        ("fit_large_size_and_pad", (30, 80), (30, 80)),
    ],
)
@pytest.mark.parametrize("interpolation", ["linear", "nearest", "area", "cubic", "lanczos4"])
def test_images_are_fitted(mode, size, shape, interpolation):
    found = fit(PIXELS, size, mode, interpolation, "constant", [1, 2, 3])
    assert found.shape == (*shape, 3)
    inner = {(30, 30): (18, 30), (30, 80): (30, 50)}[size] if mode.endswith("pad") else shape
    flag = getattr(cv2, f"INTER_{interpolation.upper()}")
    expected = np.full((*shape, 3), [1, 2, 3], np.uint8)
    top, left = (shape[0] - inner[0]) // 2, (shape[1] - inner[1]) // 2
    expected[top : top + inner[0], left : left + inner[1]] = cv2.resize(PIXELS, inner[::-1], interpolation=flag)
    np.testing.assert_array_equal(found, expected)
    assert fit(GRAY, size, mode, interpolation).shape == (*shape, 1)


@pytest.mark.parametrize(("pad_mode", "at"), [("mirrored", 6), ("repeat_nearest", 0)])
def test_padding_repeats_the_image(pad_mode, at):
    found = fit(PIXELS, (30, 30), "fit_large_size_and_pad", "nearest", pad_mode)
    np.testing.assert_array_equal(found[0], found[6 + at])


@pytest.mark.parametrize(
    ("old", "mode", "box"),
    [
        ((600, 1000), "warp", BOX[0]),
        ((600, 1000), "fit_small_size", BOX[0]),
        ((600, 1000), "fit_large_size_and_pad", [0.1, (180 * 0.3 + 60) / 300, 0.3, (180 * 0.6 + 60) / 300]),
        ((1000, 600), "fit_large_size_and_pad", [(180 * 0.1 + 60) / 300, 0.3, (180 * 0.3 + 60) / 300, 0.6]),
    ],
)
def test_boxes_are_fitted(old, mode, box):
    found = fit_boxes(BOX, old, (300, 300), mode)
    np.testing.assert_allclose(found, [box], rtol=1e-12)
    np.testing.assert_allclose(unfit_boxes(found, old, (300, 300), mode), BOX, rtol=1e-12)


def test_boxes_outside_come_to_the_edge():
    found = fit_boxes([[-0.5, -1, 1.5, 2]], (600, 1000), (300, 300), "fit_large_size_and_pad")
    np.testing.assert_allclose(found, [[0, 0.2, 1, 1.2]])  # the lower end: as SSD, which clips it with the window


def test_boxes_as_parts_of_another_size():
    """600 x 1000 becomes 300 x 500, of which the left half, 250 wide, is cut out."""
    found = extrapolate_boxes(BOX, (600, 1000), (300, 300), [0, 0, 0.5, 1], (300, 200))
    np.testing.assert_allclose(found, BOX * [250 / 200, 1, 250 / 200, 1])


def test_canvases():
    canvas, window = expand(PIXELS, 1.5, (0.5, 1.0), (7.6, 300, -1))
    assert canvas.shape == (90, 150, 3)
    np.testing.assert_array_equal(canvas[15:75, 50:], PIXELS)
    assert canvas[0, 0].tolist() == [8, 255, 0]
    np.testing.assert_allclose(window, [-0.5, -0.25, 1, 1.25])
    np.testing.assert_allclose(in_window([[0, 0, 1, 1]], window)[0], [[1 / 3, 1 / 6, 1, 5 / 6]])


def test_cuts():
    np.testing.assert_array_equal(cut(PIXELS, [-0.5, 0.1, 0.255, 2]), PIXELS[6:, :25])
    assert cut(PIXELS, [0.5, 0.5, 0.501, 0.501]).shape == (1, 1, 3)


# --- colours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "added"), [(1, 32.7), (1, -32.7), (0.5, 0), (1.497, 0), (1.3, -7)])
def test_values_are_opencvs(factor, added):
    """addWeighted rounds and bounds as SSD's convertTo; on an edge between two values it may round otherwise."""
    expected = cv2.addWeighted(PIXELS, factor, PIXELS, 0, added).astype(int)
    found = scale_values(PIXELS, factor, added).astype(int)
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > 0.99


@pytest.mark.parametrize(("channel", "factor", "added"), [(1, 1.4, 0), (1, 0.5, 0), (0, 1, 17.6), (0, 1, -17.6)])
def test_hue_and_saturation_are_opencvs(channel, factor, added):
    hsv = cv2.cvtColor(PIXELS, cv2.COLOR_BGR2HSV)
    hsv[:, :, channel] = cv2.addWeighted(hsv[:, :, channel], factor, hsv[:, :, channel], 0, added)
    expected = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR).astype(int)
    assert (scale_hsv(PIXELS, channel, factor, added) == expected).mean() > 0.99


def test_distortions():
    rng = np.random.default_rng(0)
    assert distort(rng, PIXELS, {"brightness_delta": 32}) is PIXELS
    brighter = distort(rng, PIXELS, {"brightness_prob": 1, "brightness_delta": 5}).astype(int) - PIXELS
    assert len(np.unique(brighter[(PIXELS > 5) & (PIXELS < 250)])) == 1
    assert np.abs(brighter).max() <= 5
    swapped = distort(rng, PIXELS, {"random_order_prob": 1})
    np.testing.assert_array_equal(np.sort(swapped, 2), np.sort(PIXELS, 2))
    every = {"saturation_prob": 1, "saturation_upper": 2, "hue_prob": 1, "hue_delta": 9, "random_order_prob": 1}
    assert distort(rng, GRAY, every) is GRAY
    counts = [distort(rng, GRAY, {"contrast_prob": 0.3, "contrast_upper": 0}).any() for _ in range(300)]
    assert 0.6 < np.mean(counts) < 0.8


@pytest.mark.parametrize("name", NOISES)
def test_noises_keep_the_shape(name):
    rng = np.random.default_rng(0)
    for pixels in (PIXELS, GRAY):
        found = add_noise(rng, pixels, [name], 50, 0.3, [9])
        assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
        assert (found == pixels).all() == (pixels is GRAY and name in ("decolorize", "convert_to_hsv"))


def test_noises_by_hand():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(add_noise(rng, PIXELS, ["inverse", "posterize"]), 255 - (PIXELS // 64 * 64 + 32))
    np.testing.assert_array_equal(add_noise(rng, GRAY, ["hist_eq"])[:, :, 0], cv2.equalizeHist(GRAY))
    np.testing.assert_array_equal(add_noise(rng, PIXELS, ["gauss_blur"]), cv2.GaussianBlur(PIXELS, (7, 7), 1.5))
    salted = (add_noise(rng, PIXELS, ["saltpepper"], 0, 0.2, [1, 2, 3]) == [1, 2, 3]).all(2).mean()
    assert 0.15 < salted < 0.2


# --- windows -----------------------------------------------------------------------------------------


def test_boxes_in_windows():
    boxes = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.25, 0.25, 0.75, 0.75], [0.9, 0, 0.95, 0.1]])
    inside, touched = in_window(boxes, [0.25, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(inside[0], [0, 0, 1, 0.5])
    assert touched.tolist() == [True, False, True, False]  # the second one has a common edge alone
    assert emitted(boxes, [0.25, 0.25, 0.5, 0.75], "center", 0).tolist() == [True, False, True, False]
    assert emitted(boxes, [0.25, 0.25, 0.5, 0.75], "min_overlap", 0.25).tolist() == [False, False, True, False]


def test_what_windows_share():
    found = shared(np.array([[0, 0, 0.5, 1.0]]), np.array([[0.25, 0, 0.5, 0.5], [0.5, 0, 1, 1]]))
    assert {name: values.tolist() for name, values in found.items()} == {
        "jaccard_overlap": [[0.25, 0]],
        "sample_coverage": [[0.25, 0]],
        "object_coverage": [[1, 0]],
    }


@pytest.mark.parametrize(
    ("bounds", "good"),
    [
        ({}, [True, True]),
        ({"min_jaccard_overlap": 0.2}, [True, False]),
        ({"max_jaccard_overlap": 0.2}, [True, True]),  # the second box
        ({"min_object_coverage": 1, "max_sample_coverage": 0.25}, [True, False]),
    ],
)
def test_constraints(bounds, good):
    windows = np.array([[0, 0, 0.5, 1.0], [0, 0.9, 0.1, 1]])
    boxes = np.array([[0.25, 0, 0.5, 0.5], [0.5, 0, 1, 1]])
    assert satisfying(windows, boxes, bounds).tolist() == good
    assert satisfying(windows, boxes[:0], bounds).tolist() == [not bounds] * 2


def test_random_windows():
    sampler = {"min_scale": 0.3, "max_scale": 0.9, "min_aspect_ratio": 0.2, "max_aspect_ratio": 4}
    found = random_windows(np.random.default_rng(0), sampler, 500)
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-12
    width, height = (found[:, 2:] - found[:, :2]).T
    scale, ratio = np.sqrt(width * height), width / height
    assert 0.3 <= scale.min() < 0.32
    assert 0.88 < scale.max() <= 0.9
    assert (ratio >= np.maximum(0.2, scale**2) - 1e-9).all()
    assert (ratio <= np.minimum(4, scale**-2) + 1e-9).all()
    assert np.allclose(random_windows(np.random.default_rng(0), {}, 2), [0, 0, 1, 1])


def test_samplers_end():
    boxes = np.array([[0, 0, 0.5, 0.5]])
    tried = {"min_scale": 0.2, "max_trials": 50, "min_object_coverage": 0.5}
    assert len(sampled_windows(np.random.default_rng(0), boxes, dict(tried, max_sample=1))) == 1
    assert 1 < len(sampled_windows(np.random.default_rng(0), boxes, tried)) < 50
    assert len(sampled_windows(np.random.default_rng(0), boxes, {"min_jaccard_overlap": 0.99})) == 0


# --- the layer ---------------------------------------------------------------------------------------


def records(where, **options):
    boxes = [[(3, 0.1, 0.2, 0.5, 0.75), (1, 0.5, 0.5, 1, 1, 1), (3, 0.75, 0, 1, 0.25)], [], [(2, 0, 0, 1, 1)]]
    images = np.random.RandomState(0).randint(0, 256, (3, 8, 12, 3))
    return annotated(where / "db", images, boxes, **options), images


@pytest.mark.parametrize("encode", ["", "png"])
def test_batches_by_hand(tmp_path, encode):
    where, images = records(tmp_path, encode=encode)
    layer = run(where, batch_size=2, mean=[1, 2, 3], scale=0.5)
    data, label = layer.forward()
    np.testing.assert_allclose(data, (images[:2].transpose(0, 3, 1, 2) - [[[1]], [[2]], [[3]]]) * 0.5)
    rows = [[0, 3, 0, 0.1, 0.2, 0.5, 0.75, 0], [0, 3, 1, 0.75, 0, 1, 0.25, 0], [0, 1, 0, 0.5, 0.5, 1, 1, 1]]
    np.testing.assert_allclose(label[0, 0], rows, rtol=1e-6)
    np.testing.assert_allclose(layer.forward()[1][0, 0], [[0, 2, 0, 0, 0, 1, 1, 0], *np.add(rows, [1] + [0] * 7)])


@pytest.mark.parametrize(("difficult", "count"), [(True, 3), (False, 2)])
def test_yolos_labels(tmp_path, difficult, count):
    where, _ = records(tmp_path)
    label = run(where, batch_size=2, label_form="yolo", use_difficult_gt=difficult).forward()[1]
    assert label.shape == (2, 1, 300, 5)
    np.testing.assert_allclose(label[0, 0, 0], [2, 0.3, 0.475, 0.4, 0.55], rtol=1e-6)
    assert np.count_nonzero(label[0, 0, :, 3]) == count
    assert not label[1].any()


def test_sizes_of_ten_batches_each(tmp_path):
    where, _ = records(tmp_path)
    layer = run(where, phase=0, batch_size=2, sizes=[[4, 4], [8, 6]], seed=2)
    shapes = [layer.forward()[0].shape[2:] for _ in range(60)]
    assert all(len(set(shapes[i : i + 10])) == 1 for i in range(0, 60, 10))
    assert set(shapes) == {(4, 4), (8, 6)}


def test_jittered_windows():
    rng = np.random.default_rng(1)
    windows = np.array([jittered_window(rng, 0.4) for _ in range(500)])
    sizes = windows[:, 2:] - windows[:, :2]
    assert windows.min() >= 0
    assert windows.max() <= 1 + 1e-9
    assert 0.6 <= sizes.min() < 0.65
    assert np.mean((sizes == 1).all(1)) == pytest.approx(0.2, abs=0.05)
    assert np.mean((sizes < 0.8).any(1)) == pytest.approx(0.6 * 0.75, abs=0.06)
    window = jittered_window(rng, 0.4, square=True)
    assert window[2] - window[0] == pytest.approx(window[3] - window[1])


def test_a_batch_without_boxes_has_one_row(tmp_path):
    where = annotated(tmp_path / "db", np.zeros((1, 2, 2, 1)), [[]])
    assert run(where, batch_size=2).forward()[1].tolist() == [[[[-1] * 8]]]


def test_labels_of_classification(tmp_path):
    where = annotated(tmp_path / "db", np.zeros((2, 2, 2, 1)), [5, 9])
    assert run(where, batch_size=2).forward()[1].tolist() == [5, 9]


def test_mirrored(tmp_path):
    where, images = records(tmp_path)
    data, label = run(where, phase=0, shuffle=False, batch_size=30, mirror=True, seed=1).forward()
    for n in range(0, 30, 3):
        mirrored = (data[n] != images[0].transpose(2, 0, 1)).any()
        np.testing.assert_array_equal(data[n], images[0].transpose(2, 0, 1)[:, :, :: -1 if mirrored else 1])
        box = label[0, 0][label[0, 0, :, 0] == n][0, 3:7]
        np.testing.assert_allclose(box, [0.5, 0.2, 0.9, 0.75] if mirrored else [0.1, 0.2, 0.5, 0.75], rtol=1e-6)


def test_cropped_with_a_mean_image(tmp_path):
    """The middle 4 x 6 of 8 x 12: rows 2 .. 5, columns 3 .. 8; boxes whose centre is outside are left out."""
    where, images = records(tmp_path)
    mean = np.random.RandomState(1).rand(3, 8, 12).astype(np.float32)
    np.save(str(tmp_path / "mean.npy"), mean)
    data, label = run(where, crop=[4, 6], emit_type="center", mean_file=str(tmp_path / "mean.npy")).forward()
    np.testing.assert_allclose(data[0], (images[0].transpose(2, 0, 1) - mean)[:, 2:6, 3:9], rtol=1e-6)
    np.testing.assert_allclose(label[0, 0], [[0, 3, 0, 0, 0, 0.5, 1, 0], [0, 1, 0, 0.5, 0.5, 1, 1, 1]], rtol=1e-6)


def test_sampled_windows_hold_boxes(tmp_path):
    where, _ = records(tmp_path)
    sampler = {"min_scale": 0.5, "max_trials": 50, "min_jaccard_overlap": 0.1}
    options = {"batch_size": 30, "resize": [16, 16], "mean": [9], "seed": 3, "max_expand_ratio": 2, "shuffle": False}
    options.update(batch_samplers=[sampler], emit_type="center")
    data, label = run(where, phase=0, **options).forward()
    assert data.shape == (30, 3, 16, 16)
    rows = label[0, 0]
    assert rows[:, 3:7].min() >= 0
    assert rows[:, 3:7].max() <= 1
    assert (rows[:, 5:7] > rows[:, 3:5]).all()
    assert {1, 2, 3} == set(rows[:, 1])
    again = run(where, phase=0, workers=3, **options).forward()
    np.testing.assert_array_equal(data, again[0])
    np.testing.assert_array_equal(label, again[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distort": {"hue": 1}}, r"a key of parameter distort must be one of brightness_prob, .*, got 'hue'$"),
        ({"batch_samplers": [{"scale": 1}]}, r"a key of parameter batch_samplers\[0\] must be one of min_scale, "),
        (
            {"batch_samplers": [{"min_scale": 0.5, "max_scale": 1.5}]},
            r"parameter batch_samplers\[0\] must have 0 < min_scale <= max_scale <= 1, got 0.5 and 1.5$",
        ),
        ({"backend": "leveldb"}, "parameter backend must be one of lmdb, got 'leveldb'$"),
        ({"mean": [1], "mean_file": "x"}, "takes the parameter mean or mean_file, not both$"),
        ({"size_scale": [3, 3]}, "takes the parameter size_scale with resize and resize_mode fit_small_size only$"),
        ({"crop": [9, 12]}, r"00000000_0.jpg: has 8 x 12 pixels, fewer than crop 9 x 12$"),
        ({"mean": [1, 2]}, "has 3 channels, parameter mean 2 values$"),
        ({"pad_value": [1, 2]}, "has 3 channels, parameter pad_value 2 values$"),
        ({"noise": ["saltpepper"], "saltpepper_value": [1] * 4}, "parameter saltpepper_value 4 values$"),
    ],
)
def test_refused_parameters(tmp_path, options, message):
    where, _ = records(tmp_path)
    with pytest.raises(ValueError, match=rf"^AnnotatedData: .*{message}"):
        run(where, **options).forward()


@pytest.mark.parametrize(
    "box",
    [(np.nan, 0, 1, 1), (0, 0, np.inf, 1), (0.8, 0, 0.2, 1), (0, 0.8, 1, 0.2), (10, 20, 30, 40), (0, -1.5, 1, 1)],
)
def test_refused_boxes(tmp_path, box):
    where = annotated(tmp_path / "db", [GRAY], [[(5, -0.25, 0, 1.25, 1), (7, *box)]])
    wanted = "must have x1 <= x2 and y1 <= y2 in parts of the image, from 0 to 1, got "
    with pytest.raises(ValueError, match=rf"db: 00000000_0.jpg: box 1, of class 7, {wanted}{box[0]:g}, {box[1]:g}, "):
        run(where)


def test_boxes_a_little_outside_are_cut_off(tmp_path):
    label = run(annotated(tmp_path / "db", [GRAY], [[(5, -0.25, 0, 1.25, 0.5)]])).forward()[1]
    np.testing.assert_allclose(label.reshape(-1), [0, 5, 0, 0, 0, 1, 0.5, 0])


def test_refused_databases(tmp_path):
    (tmp_path / "file").touch()
    for name, message in (("no", "is not there"), ("file", "is no LMDB: it has no file data.mdb")):
        with pytest.raises(ValueError, match=rf"^AnnotatedData: parameter source: .*{name}' {message}$"):
            run(tmp_path / name)
    with lmdb.open(str(tmp_path / "empty")):
        pass
    with pytest.raises(ValueError, match=r"^AnnotatedData: .*empty has no records$"):
        run(tmp_path / "empty")
    with lmdb.open(str(tmp_path / "junk")) as database, database.begin(write=True) as transaction:
        transaction.put(b"0", b"junk")
    with pytest.raises(ValueError, match=r"^AnnotatedData: .*junk: 0: is no AnnotatedDatum: 4 bytes$"):
        run(tmp_path / "junk")
    with pytest.raises(ValueError, match=r"0.jpg: is no AnnotatedDatum: it is of the kind Datum, which Data and Datum"):
        run(datums(tmp_path / "datums", [GRAY], [1]))
    record = message_class("AnnotatedDatum")(type=0)
    record.datum.data, record.datum.encoded = b"junk", True
    with lmdb.open(str(tmp_path / "image")) as database, database.begin(write=True) as transaction:
        transaction.put(b"0", record.SerializeToString())
    with pytest.raises(ValueError, match=r"holds 4 bytes that are no image of 8 bits that OpenCV can decode$"):
        run(tmp_path / "image")

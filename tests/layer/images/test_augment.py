"""Augmentation: a label map and boxes stay on the objects of their image, and colours are those of Pillow."""

import colorsys

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from caffe_pylayers._layer.images import augment  # noqa: E402 - which need OpenCV
from caffe_pylayers._layer.images.views import Views  # noqa: E402


def scene(size=(60, 80), box=(20, 10, 50, 40)):
    """An image and a label map of a box of fives, and the box."""
    pixels = np.zeros((*size, 3), np.uint8)
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = 5
    return Views([pixels], pixels[:, :, 0].copy(), np.array([[*box, 7.0]]), fill=(0, 0, 0), ignore=0)


def extent(mask):
    """The box of a mask."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


CHANGES = {
    "resize": lambda views: views.resize((120, 40), "linear"),
    "smaller": lambda views: views.resize((31, 57), "area"),
    "mirror": lambda views: views.mirror(),
    "crop": lambda views: views.crop(12, 30, (20, 45)),
    "around": lambda views: views.crop(-5, -7, (90, 100)),
    "turn": lambda views: views.rotate(90),
    "all": lambda views: (views.resize((90, 90), "linear"), views.mirror(), views.crop(10, -10, (50, 60))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_map_and_boxes_follow_the_image(change):
    views = scene()
    CHANGES[change](views)
    np.testing.assert_allclose(extent(views.images[0][:, :, 0] > 2), views.boxes[0, :4], atol=0.51)
    np.testing.assert_allclose(extent(views.label_map == 5), views.boxes[0, :4], atol=0.51)
    assert views.boxes[0, 4] == 7
    assert views.images[0].shape[:2] == views.label_map.shape == views.size


@pytest.mark.parametrize("degrees", [-33.0, 10.0, 77.0])
def test_a_turned_box_holds_the_object(degrees):
    views = scene()
    views.rotate(degrees)
    x1, y1, x2, y2 = views.boxes[0, :4]
    ours = extent(views.label_map == 5)
    np.testing.assert_allclose(ours, np.clip([x1, y1, x2, y2], 0, [80, 60, 80, 60]), atol=1.01)


def test_quarter_turns_are_numpys():
    pixels = np.random.RandomState(0).randint(0, 256, (7, 7, 3)).astype(np.uint8)
    for quarters in range(4):
        np.testing.assert_array_equal(augment.rotate(pixels, 90.0 * quarters, (0, 0, 0)), np.rot90(pixels, quarters))


def test_boxes_out_of_sight_are_left_out():
    boxes = np.array([[0, 0, 10, 10, 1], [8, 8, 20, 20, 2], [30, 30, 40, 40, 3.0]])
    assert augment.crop_boxes(boxes, 5, 5, (10, 10), 0).tolist() == [[0, 0, 5, 5, 1], [3, 3, 10, 10, 2]]
    assert augment.crop_boxes(boxes, 5, 5, (10, 10), 0.3).tolist() == [[3, 3, 10, 10, 2]]
    assert augment.crop_boxes(boxes, 50, 50, (9, 9), 0).shape == (0, 5)


def test_nothing_that_is_given_changes():
    views = scene()
    before = [views.images[0].copy(), views.label_map.copy(), views.boxes.copy()]
    given = views.images[0], views.label_map, views.boxes
    for change in CHANGES.values():
        change(Views([given[0]], given[1], given[2]))
    augment.jitter(given[0], 0.5, 0.5, 0.5, 0.1, True)
    for now, then in zip(given, before):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_channels_and_kinds_stay(channels, dtype):
    pixels = np.ones((9, 8, channels), dtype)
    for found in (
        augment.resize(pixels, (3, 4)),
        augment.rotate(pixels, 20, [1] * channels),
        augment.crop(pixels, -1, 0, (3, 4), 1),
    ):
        assert found.shape[2] == channels
        assert found.dtype == dtype
        assert (found == 1).all()


@pytest.mark.parametrize(("name", "place"), [("Brightness", 0), ("Contrast", 1), ("Color", 2)])
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.7])
def test_colours_are_pillows(name, place, factor):
    image_enhance = pytest.importorskip("PIL.ImageEnhance")
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.RandomState(0).randint(0, 256, (20, 30, 3)).astype(np.uint8)
    factors = [1.0, 1.0, 1.0]
    factors[place] = factor
    expected = np.asarray(getattr(image_enhance, name)(image.fromarray(pixels)).enhance(factor)).astype(float)
    np.testing.assert_allclose(augment.jitter(pixels, *factors, 0, False), expected, atol=2)
    turned = augment.jitter(pixels[:, :, ::-1], *factors, 0, True)
    np.testing.assert_allclose(turned[:, :, ::-1], expected, atol=2)


def test_hue_is_pythons():
    pixels = np.random.RandomState(0).randint(0, 256, (4, 5, 3)).astype(np.uint8)
    found = augment.jitter(pixels, 1, 1, 1, 0.3, False)
    for pixel, new in zip(pixels.reshape(-1, 3) / 255, found.reshape(-1, 3)):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        np.testing.assert_allclose(new / 255, colorsys.hsv_to_rgb((hue + 0.3) % 1, saturation, value), atol=1e-3)

"""DetectNet's changes of an image, (height, width, 3) of float32 in 0 .. 255, and of its boxes: x1, y1, x2, y2."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import numpy as np

from caffe_pylayers._layer.images.image_files import opencv

Size = Sequence[int]


class Change(NamedTuple):
    """What is done to an image and its boxes, in this order; the colours come first.

    hue: degrees added. saturation: a factor. flip: left to right. size: (height, width) resized to. degrees: turned.
    offset: (row, column) of what is cut out.
    """

    hue: float
    saturation: float
    flip: bool
    size: tuple[int, int]
    degrees: float
    offset: tuple[int, int]


def changed_image(pixels: Any, change: Change, size: Size, mean: Any) -> Any:
    """Return an image of a (height, width) that was changed, with the mean subtracted.

    What comes in from outside is 0, the mean.
    """
    cv2 = opencv()
    pixels = pixels / np.float32(255)
    if change.hue or change.saturation != 1:
        hsv = cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV)
        hsv[:, :, 0] += change.hue
        hsv[:, :, 1] *= change.saturation
        pixels = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    pixels = (pixels - np.asarray(mean, np.float32) / 255).astype(np.float32)
    if change.flip:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if change.size != pixels.shape[:2]:
        pixels = cv2.resize(pixels, change.size[::-1], interpolation=cv2.INTER_CUBIC)
    if change.degrees:
        height, width = turned_size(change.size, change.degrees)
        turned = np.zeros((height, width, 3), np.float32)
        turning = _turning(change.size, change.degrees)
        pixels = cv2.warpAffine(pixels, turning, (width, height), turned, borderMode=cv2.BORDER_TRANSPARENT)
    out = np.zeros((*size, 3), np.float32)
    inside, outside = zip(*(_overlap(*each) for each in zip(change.offset, size, pixels.shape)))
    out[inside] = pixels[outside]
    return out * 255


def _overlap(start: int, length: int, available: int) -> tuple[slice, slice]:
    """Return where a cut from ``start`` on has what is there, and where that is there."""
    first, last = min(max(-start, 0), length), min(max(available - start, 0), length)
    first = min(first, last)
    return slice(first, last), slice(first + start, last + start)


def changed_boxes(boxes: Any, change: Change, old: Size) -> Any:
    """Return the boxes (R, 4) of an image of the size ``old`` that was changed; turned ones keep their sides."""
    boxes = np.array(boxes, np.float64)
    if change.flip:
        boxes[:, [0, 2]] = old[1] - 1 - boxes[:, [2, 0]]
    boxes *= np.tile([change.size[1] / old[1], change.size[0] / old[0]], 2)
    if change.degrees:
        half = (boxes[:, 2:] - boxes[:, :2]) / 2
        centres = boxes[:, :2] + half
        turning = _turning(change.size, change.degrees)
        centres = centres @ turning[:, :2].T + turning[:, 2]
        boxes = np.concatenate([centres - half, centres + half], 1)
    return boxes - np.tile(change.offset[::-1], 2)


def turned_size(size: Size, degrees: float) -> tuple[int, int]:
    """Return the (height, width) that holds an image of a size, turned about its middle."""
    _, _, x, y = _bounds((size[1] // 2, size[0] // 2), size, degrees)
    return y, x


def _turning(size: Size, degrees: float) -> Any:
    """Return the matrix (2, 3) of turning an image of a size, and moving it to where nothing of it is below 0."""
    cv2 = opencv()
    centre = (size[1] / 2, size[0] / 2)
    left, top, _, _ = _bounds(centre, size, degrees)
    before = cv2.boxPoints((centre, (size[1], size[0]), 0))
    after = cv2.boxPoints(((centre[0] - left, centre[1] - top), (size[1], size[0]), degrees))
    return cv2.getAffineTransform(before[:3], after[:3])


def _bounds(centre: tuple[float, float], size: Size, degrees: float) -> tuple[int, int, int, int]:
    """Return left, top, width and height of the pixels around a turned rectangle."""
    points = opencv().boxPoints((centre, (size[1], size[0]), degrees))
    low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
    (left, top), (width, height) = low.tolist(), (high - low + 1).tolist()
    return left, top, width, height

"""Changes of an image's geometry and colours, with a label map and boxes that follow.

Pixels are (height, width, channels), label maps (height, width), boxes (rows, 4 or more) of x1, y1, x2, y2 in edges: a
box over the whole image is 0, 0, width, height. No function changes what it is given.
"""

from __future__ import annotations

import math
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer.images.image_files import opencv

INTERPOLATIONS = ("nearest", "linear", "area", "cubic")


def resize(pixels: Any, size: tuple[int, int], interpolation: str = "linear") -> Any:
    """Return pixels of this (height, width); a label map takes interpolation nearest."""
    if pixels.shape[:2] == tuple(size):
        return pixels
    cv2 = opencv()
    flag = cv2.INTER_NEAREST_EXACT if interpolation == "nearest" else getattr(cv2, f"INTER_{interpolation.upper()}")
    return _as_before(cv2.resize(np.ascontiguousarray(pixels), (size[1], size[0]), interpolation=flag), pixels)


def rotate(pixels: Any, degrees: float, fill: Any, interpolation: str = "linear") -> Any:
    """Return the pixels turned about the middle, counter-clockwise as one sees them.

    fill: what comes in, a value for each channel.
    """
    cv2 = opencv()
    height, width = pixels.shape[:2]
    flag = cv2.INTER_NEAREST if interpolation == "nearest" else cv2.INTER_LINEAR
    turned = cv2.warpAffine(
        np.ascontiguousarray(pixels),
        cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1),
        (width, height),
        flags=flag,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill,
    )
    return _as_before(turned, pixels)


def crop(pixels: Any, top: int, left: int, size: tuple[int, int], fill: Any) -> Any:
    """Return the part of this (height, width) at a place; what of it lies outside, a negative one too, is ``fill``."""
    height, width = size
    inside = pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if inside.shape[:2] == tuple(size):
        return inside
    out = np.empty((height, width, *pixels.shape[2:]), pixels.dtype)
    out[...] = fill
    above, before = max(-top, 0), max(-left, 0)
    out[above : above + inside.shape[0], before : before + inside.shape[1]] = inside
    return out


def mirror(pixels: Any) -> Any:
    """Return the pixels left to right."""
    return pixels[:, ::-1]


def jitter(pixels: Any, brightness: float, contrast: float, saturation: float, hue: float, blue_first: bool) -> Any:
    """Return the pixels with other colours, float32 in [0, 255].

    brightness, contrast, saturation: factors, 1 for none: of the values, of their distance from the mean gray, of
    that from the pixel's gray. hue: added, as a part of the colour circle, 0 for none.
    """
    out = pixels.astype(np.float32) * np.float32(brightness)
    if contrast != 1:
        out = _blended(out, _gray(out, blue_first).mean(), contrast)
    if pixels.shape[2] == 3:
        if saturation != 1:
            out = _blended(out, _gray(out, blue_first)[:, :, None], saturation)
        if hue:
            out = _turned(out.clip(0, 255), hue, blue_first)
    return out.clip(0, 255)


def _blended(pixels: Any, gray: Any, factor: float) -> Any:
    return (pixels - gray) * np.float32(factor) + gray


def _gray(pixels: Any, blue_first: bool) -> Any:
    if pixels.shape[2] != 3:
        return pixels[:, :, 0]
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return pixels @ (weights[::-1] if blue_first else weights)


def _turned(pixels: Any, hue: float, blue_first: bool) -> Any:
    cv2 = opencv()
    there, back = (cv2.COLOR_BGR2HSV, cv2.COLOR_HSV2BGR) if blue_first else (cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB)
    hsv = cv2.cvtColor(np.ascontiguousarray(pixels), there)  # of floats: hue in degrees
    hsv[:, :, 0] = (hsv[:, :, 0] + 360 * hue) % 360
    return cv2.cvtColor(hsv, back)


# --- boxes -------------------------------------------------------------------------------------------


def scale_boxes(boxes: Any, by: Sequence[float]) -> Any:
    """Return the boxes of an image that has become (height, width) times as large."""
    out = np.array(boxes, np.float64)
    out[:, 0:4:2] *= by[1]
    out[:, 1:4:2] *= by[0]
    return out


def rotate_boxes(boxes: Any, degrees: float, size: tuple[int, int]) -> Any:
    """Return the boxes that hold those of an image of this (height, width), which was turned."""
    out = np.array(boxes, np.float64)
    middle = np.array([size[1], size[0]]) / 2
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])  # y points down
    corners = out[:, [[0, 1], [2, 1], [0, 3], [2, 3]]] - middle
    corners = corners @ turn.T + middle
    out[:, :2], out[:, 2:4] = corners.min(1), corners.max(1)
    return out


def crop_boxes(boxes: Any, top: int, left: int, size: tuple[int, int], least: float) -> Any:
    """Return the boxes as they lie in a part of an image: clipped, and without those of which less is in it.

    least: the part of a box's area that has to be in it; a box without area in it is left out.
    """
    out = np.array(boxes, np.float64)
    out[:, :4] -= [left, top, left, top]
    areas = (out[:, 2] - out[:, 0]) * (out[:, 3] - out[:, 1])
    out[:, 0:4:2] = out[:, 0:4:2].clip(0, size[1])
    out[:, 1:4:2] = out[:, 1:4:2].clip(0, size[0])
    width, height = out[:, 2] - out[:, 0], out[:, 3] - out[:, 1]
    return out[(width > 0) & (height > 0) & (width * height >= least * areas)]


def mirror_boxes(boxes: Any, width: int) -> Any:
    """Return the boxes of an image of this width, left to right."""
    out = np.array(boxes, np.float64)
    out[:, [0, 2]] = width - out[:, [2, 0]]
    return out


def _as_before(changed: Any, pixels: Any) -> Any:
    """OpenCV leaves out the axis of a single channel."""
    return changed if changed.ndim == pixels.ndim else changed[:, :, None]

"""SSD's ways to bring an image to a size, and onto a larger canvas, with boxes that follow.

Pixels are (height, width, channels) of 8 bits, sizes (height, width). Boxes are (rows, 4): x1, y1, x2, y2 as parts of
the width and the height, so that a box over the whole image is 0, 0, 1, 1.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer.images.image_files import opencv

RESIZE_MODES = ("warp", "fit_small_size", "fit_large_size_and_pad")
PAD_MODES = {"constant": "CONSTANT", "mirrored": "REFLECT_101", "repeat_nearest": "REPLICATE"}  # OpenCV's borders
INTERPOLATIONS = ("linear", "area", "nearest", "cubic", "lanczos4")


def fit(
    pixels: Any,
    size: tuple[int, int],
    mode: str = "warp",
    interpolation: str = "linear",
    pad_mode: str = "constant",
    pad_value: Sequence[float] = (0,),
) -> Any:
    """Return the pixels in a size.

    mode: warp: exactly this size; fit_small_size: no smaller than it, with the image's ratio;
        fit_large_size_and_pad: no larger, with the image's ratio, and padded around to this size.
    pad_value: one, or one for each channel, of pad_mode constant.
    """
    height, width = inner = _inner_size(pixels.shape[:2], size, mode)
    cv2 = opencv()
    flag = getattr(cv2, f"INTER_{interpolation.upper()}")
    out = cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=flag)
    if mode == "fit_large_size_and_pad" and inner != tuple(size):
        above, before = (size[0] - height) // 2, (size[1] - width) // 2
        value = np.broadcast_to(pad_value, pixels.shape[2]).tolist()
        border = getattr(cv2, f"BORDER_{PAD_MODES[pad_mode]}")
        below, after = size[0] - height - above, size[1] - width - before
        out = cv2.copyMakeBorder(out, above, below, before, after, border, value=value)
    return out if out.ndim == 3 else out[:, :, None]


def _inner_size(old: Sequence[int], size: tuple[int, int], mode: str) -> tuple[int, int]:
    """Return the size of the image itself, without padding."""
    height, width = np.asarray(size, np.float32)
    ratio, wanted = (np.float32(pair[1]) / np.float32(pair[0]) for pair in (old, size))  # as SSD rounds
    if mode == "warp":
        return size
    by_width = ratio < wanted if mode == "fit_small_size" else ratio > wanted
    return (int(width / ratio), size[1]) if by_width else (size[0], int(ratio * height))


def fit_boxes(boxes: Any, old: Sequence[int], size: tuple[int, int], mode: str = "warp") -> Any:
    """Return the boxes of an image of the size ``old`` that was fitted to a size.

    A box that ends outside the image comes to its edge.
    """
    start, share = _inner_window(old, size, mode)
    moved = np.asarray(boxes, np.float64) * share
    return start + np.concatenate([np.maximum(moved[:, :2], 0), np.minimum(moved[:, 2:], 1)], 1)


def unfit_boxes(boxes: Any, old: Sequence[int], size: tuple[int, int], mode: str = "warp") -> Any:
    """Return, as parts of an image of the size ``old``, boxes of what it was fitted to: the inverse of fit_boxes.

    They end at the image's edge.
    """
    start, share = _inner_window(old, size, mode)
    return np.clip((boxes - start) / share, 0, 1)


def _inner_window(old: Sequence[int], size: tuple[int, int], mode: str) -> tuple[Any, Any]:
    """Return (start, share), each for x1, y1, x2, y2: where the image itself begins, as a part, and how much it is."""
    share = np.ones(4)
    if mode == "fit_large_size_and_pad":
        narrower = old[1] / old[0] / (size[1] / size[0])  # the image's ratio by the wanted one
        share = np.tile(np.minimum(1, [narrower, 1 / narrower]), 2)
    return (1 - share) / 2, share


def extrapolate_boxes(boxes: Any, old: Sequence[int], size: tuple[int, int], crop: Any, scales: tuple[int, int]) -> Any:
    """Return boxes as parts of ``scales``, a (height, width), of an image that was fitted with fit_small_size.

    old, size: as fit_boxes. crop: x1, y1, x2, y2 of what was cut out of it, as parts of it.
    """
    ratio, wanted = old[1] / old[0], size[1] / size[0]
    height, width = (size[1] / ratio, size[1]) if ratio < wanted else (size[0], size[0] * ratio)
    by = np.array([width * (crop[2] - crop[0]) / scales[1], height * (crop[3] - crop[1]) / scales[0]])
    return np.asarray(boxes) * np.concatenate([by, by])


def expand(pixels: Any, ratio: float, place: tuple[float, float], fill: Sequence[float]) -> tuple[Any, Any]:
    """Return a canvas ``ratio`` times as high and wide with the image on it, and the canvas in parts of the image.

    place: down and right, in [0, 1]: where in the room that there is the image stands.
    fill: one value, or one for each channel.
    """
    height, width = pixels.shape[:2]
    rows, columns = int(height * ratio), int(width * ratio)
    top, left = (int(part * room) for part, room in zip(place, (rows - height, columns - width)))
    cv2 = opencv()
    value = np.broadcast_to(np.rint(np.clip(fill, 0, 255)), pixels.shape[2]).tolist()
    below, after = rows - height - top, columns - width - left
    canvas = cv2.copyMakeBorder(pixels, top, below, left, after, cv2.BORDER_CONSTANT, value=value)
    canvas = canvas.reshape(rows, columns, -1)
    window = np.array([-left / width, -top / height, (columns - left) / width, (rows - top) / height])
    return canvas, window


def cut(pixels: Any, window: Any) -> Any:
    """Return the part of an image in a window: x1, y1, x2, y2 in parts of it, clipped to it."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = np.clip(window, 0, 1) * [width, height, width, height]
    return pixels[int(y1) : int(y1) + max(int(y2 - y1), 1), int(x1) : int(x1) + max(int(x2 - x1), 1)]

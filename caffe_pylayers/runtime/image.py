"""Images as Caffe reads them: by OpenCV, uint8, their channels in the order blue, green, red.

OpenCV itself, since no other library gives its pixels. Both decode a JPEG alike; of a photograph made half as large,
Pillow gives 58 % of the values otherwise than Caffe, by up to 5, and OpenCV none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def decode(data: bytes, color: bool = False, gray: bool = False) -> Any:
    """An encoded image as an array (channels, height, width).

    color, gray: have 3 channels or 1; without either as many as the image has. ValueError for what is no
    image, or has values of more than 8 bits.
    """
    cv2 = _opencv()
    flag = cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_UNCHANGED
    values = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    if values is None:
        raise ValueError(f"{len(data)} bytes of an encoded Datum are no image that OpenCV can decode")
    if values.dtype != np.uint8:
        raise ValueError(f"an encoded image must have 8 bits for each value, got {values.dtype}")
    return planes(values)


def read(path: str | os.PathLike[str], color: bool, height: int = 0, width: int = 0) -> Any:
    """An image file as an array (height, width, 3), in gray (height, width), resized where sizes are given.

    ValueError for a file that is missing or is no image.
    """
    cv2 = _opencv()
    values = _found(cv2.imread(os.fspath(path), cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE), path)
    return resize(values, height, width) if height and width else values


def read_unchanged(path: str | os.PathLike[str]) -> Any:
    """An image file with the channels and bits that it has; ValueError for one that is missing or is no image."""
    cv2 = _opencv()
    return _found(cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED), path)


def _found(values: Any, path: str | os.PathLike[str]) -> Any:
    if values is None:
        reason = "no image that OpenCV can decode" if os.path.exists(path) else "no such file"
        raise ValueError(f"{os.fspath(path)}: {reason}")
    return values


def resize(values: Any, height: int, width: int) -> Any:
    """An image of other sizes, interpolated bilinearly."""
    return _opencv().resize(values, (width, height))


def encode(values: Any, kind: str) -> bytes:
    """An image (height, width) or (height, width, channels) as a file of this kind, such as jpg or png."""
    cv2 = _opencv()
    try:
        content: bytes = cv2.imencode(f".{kind}", values)[1].tobytes()
    except cv2.error:
        raise ValueError(f"OpenCV cannot encode images as {kind}") from None
    return content


def planes(values: Any) -> Any:
    """An image (height, width) or (height, width, channels) as (channels, height, width)."""
    return np.moveaxis(values[:, :, None] if values.ndim == 2 else values, 2, 0)


class Readers:
    """Threads that read several images at a time; OpenCV does not hold Python's lock meanwhile."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[Any], T], items: Iterable[Any]) -> list[T]:
        """The function's value for each item, in order."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="images")
        return list(self._pool.map(function, items))


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ImportError("images are read by OpenCV: pip install opencv-python-headless") from error
    return cv2

"""Images as Caffe reads them, with OpenCV: its decoders and its resizing decide about every pixel."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def decode(data: bytes, color: bool = False, gray: bool = False) -> Any:
    """Decode an image to uint8 (channels, height, width), its channels in the order blue, green, red.

    color, gray: have 3 channels or 1; without either as many as the image has. ValueError for what is no
    whole image of 8 bits, ImportError without OpenCV.
    """
    return channels_first(decode_pixels(data, color, gray))


def decode_pixels(data: bytes, color: bool = False, gray: bool = False) -> Any:
    """Decode an image, as decode does, to the layout of OpenCV, (height, width) or (height, width, channels)."""
    cv2 = opencv()
    values = _decoded(data, cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_UNCHANGED)
    if values.dtype != np.uint8:
        raise ValueError(f"an encoded image must have 8 bits for each value, got {values.dtype}")
    return values


def read_pixels(path: str, color: bool = True) -> Any:
    """Decode a file's image to 3 channels, without color to 1. OSError or ValueError names the file."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        return decode_pixels(data, color=color, gray=not color)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_unchanged(path: str | os.PathLike[str]) -> Any:
    """Decode a file's image with the channels and the bits that it has. OSError or ValueError names the file."""
    try:
        return _decoded(Path(path).read_bytes(), opencv().IMREAD_UNCHANGED)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def encode(pixels: Any, kind: str) -> bytes:
    """Encode pixels as a file of this kind, such as jpg or png; ValueError for one that OpenCV does not write."""
    try:
        content: bytes = opencv().imencode(f".{kind}", pixels)[1].tobytes()
    except opencv().error:
        raise ValueError(f"OpenCV cannot encode images as {kind}") from None
    return content


def resize(pixels: Any, height: int, width: int) -> Any:
    """Resize pixels: bilinear, without smoothing, also where they become fewer. ValueError where OpenCV cannot."""
    with _one_line(f"resize an image to {height} x {width}"):
        return opencv().resize(pixels, (width, height))


def channels_first(pixels: Any) -> Any:
    """Return OpenCV's (height, width) or (height, width, channels) as (channels, height, width), in the same memory."""
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def planes(pixels: Any) -> Any:
    """Return the same with each channel in one piece of memory."""
    if pixels.ndim == 2:
        return pixels[None]
    out = np.empty((pixels.shape[2], *pixels.shape[:2]), np.uint8)
    opencv().split(pixels, list(out))
    return out


def _decoded(data: bytes, flag: int) -> Any:
    with _one_line(f"decode {len(data)} bytes of an encoded image"):
        values = opencv().imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    if values is None:
        raise ValueError(f"{len(data)} bytes of an encoded image are no image that OpenCV can decode")
    return values


@contextlib.contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Turn OpenCV's errors, which have several lines and paths of its sources, into a ValueError of one line."""
    cv2 = opencv()
    try:
        yield
    except cv2.error as error:
        lines = (getattr(error, "err", "") or str(error)).split("\n")
        raise ValueError(f"OpenCV cannot {what}: {lines[0]}") from error


def opencv() -> Any:
    """Return the OpenCV module; ImportError says how to install it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(f"images need OpenCV ({error}): pip install opencv-python-headless") from error
    return cv2

"""Images that are stored encoded, as JPEG or PNG."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np


def decode(data: bytes, color: bool = False, gray: bool = False) -> Any:
    """An encoded image as uint8 (channels, height, width), its channels in the order blue, green, red.

    color, gray: have 3 channels or 1; without either as many as the image has. By OpenCV or, where
    that is not installed, by Pillow. ValueError for what is no image, ImportError where both are missing.
    """
    module, name = _decoder()
    values = _opencv(module, data, color, gray) if name == "cv2" else _pillow(module, data, color, gray)
    if values is None:
        raise ValueError(f"{len(data)} bytes of an encoded Datum are no image that {name} can decode")
    if values.dtype != np.uint8:
        raise ValueError(f"an encoded image must have 8 bits for each value, got {values.dtype}")
    return np.moveaxis(values[:, :, None] if values.ndim == 2 else values, 2, 0)


def _decoder() -> tuple[Any, str]:
    for name in ("cv2", "PIL.Image"):
        try:
            return importlib.import_module(name), name
        except ModuleNotFoundError:
            continue
    raise ImportError("decoding images needs OpenCV or Pillow: pip install pillow")


def _opencv(cv2: Any, data: bytes, color: bool, gray: bool) -> Any:
    flag = cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_UNCHANGED
    return cv2.imdecode(np.frombuffer(data, np.uint8), flag)


def _pillow(pillow: Any, data: bytes, color: bool, gray: bool) -> Any:
    try:
        image = pillow.open(io.BytesIO(data))
    except pillow.UnidentifiedImageError:
        return None
    if gray:
        image.draft("L", None)  # JPEG stores brightness by itself: no rounding on the way over RGB
    if image.mode.startswith(("I", "F")):
        return np.array(image)  # more than 8 bits, which the caller refuses
    if color or gray:  # only then does OpenCV look at how the camera was held
        image = importlib.import_module("PIL.ImageOps").exif_transpose(image)
    values = np.array(image.convert("RGB" if color or gray else _unchanged(image)))
    if gray:
        return (values @ _BRIGHTNESS >> 15).astype(np.uint8)
    if values.ndim == 3:
        values[:, :, :3] = values[:, :, 2::-1].copy()
    return values


_BRIGHTNESS = np.array([9798, 19235, 3735])  # of red, green, blue in 1 / 2^15, as libpng has them


def _unchanged(image: Any) -> str:
    """What OpenCV makes of an image's mode when it is to keep its channels."""
    if image.mode in ("1", "L"):
        return "L"
    return "RGBA" if "A" in image.mode or "transparency" in image.info else "RGB"

"""Images and label maps in files, as OpenCV decodes them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

CHANNELS = ("BGR", "RGB", "gray")

_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_PNG, _COLOR_TYPE, _PALETTE = b"\x89PNG\r\n\x1a\n", 25, 3


def opencv() -> Any:
    """Return the OpenCV module; ImportError says how to install it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(f"images need OpenCV ({error}): pip install 'caffe-pylayers[images]'") from error
    return cv2


def read_image(path: str, channels: str = "BGR") -> Any:
    """Return an image's pixels (height, width, channels), of 8 bits each.

    channels: one of CHANNELS, whatever the file has. OSError or ValueError for what cannot be read.
    """
    cv2 = opencv()
    pixels = _decoded(path, _content(path), cv2.IMREAD_GRAYSCALE if channels == "gray" else cv2.IMREAD_COLOR)
    return in_channels(pixels, channels)


def in_channels(pixels: Any, channels: str) -> Any:
    """Return OpenCV's BGR or gray pixels as (height, width, channels) in the order of ``channels``."""
    if pixels.ndim == 2:
        return pixels[:, :, None]
    if channels == "gray":
        return opencv().cvtColor(pixels, opencv().COLOR_BGR2GRAY)[:, :, None]
    return pixels[:, :, ::-1] if channels == "RGB" else pixels


def read_label_map(path: str) -> Any:
    """Return a label map (height, width): the palette's indices where the file has one, else its gray values.

    OSError or ValueError for what cannot be read, such as an image of three channels.
    """
    data = _content(path)
    if data.startswith(_PNG) and data[_COLOR_TYPE : _COLOR_TYPE + 1] == bytes([_PALETTE]):
        return _indices(path)
    labels = _decoded(path, data, opencv().IMREAD_UNCHANGED)
    if labels.ndim != 2:
        raise ValueError(f"{path}: a label map has one channel or a palette, got {labels.shape[2]} channels")
    return labels


def _indices(path: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:  # OpenCV gives a palette's colours alone
        raise ImportError(
            f"label maps with a palette need Pillow ({error}): pip install 'caffe-pylayers[images]'"
        ) from error
    try:
        with Image.open(path) as image:
            return np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _decoded(path: str, data: bytes, flag: int) -> Any:
    cv2 = opencv()
    # OpenCV 4 makes gray of what such a file lacks.
    if data.startswith(_JPEG) and not data.endswith(_JPEG_END) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN):
        raise ValueError(f"{path}: {len(data)} bytes of a JPEG image that has more")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    except cv2.error as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from error
    if pixels is None:
        raise ValueError(f"{path}: {len(data)} bytes that are no image that OpenCV can decode")
    return pixels


class Files:
    """Which files there are; each folder is listed once, which a disk elsewhere answers faster than every file."""

    def __init__(self) -> None:
        self._folders: dict[str, set[str]] = {}

    def has(self, path: str) -> bool:
        """Return True if there is a file, or a folder, of this path."""
        folder, name = os.path.split(path)
        if folder not in self._folders:
            try:
                self._folders[folder] = set(os.listdir(folder or os.curdir))
            except OSError:
                self._folders[folder] = set()
        # A name with other letters than the listing has, where the file system does not mind.
        return name in self._folders[folder] or os.path.exists(path)

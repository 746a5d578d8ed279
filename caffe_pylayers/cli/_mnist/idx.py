"""The IDX files of MNIST: gzipped or not, checked before use.

An IDX file is big endian: a magic number, the count, for images their height and width, then one
byte for each pixel or label.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers.cli._mnist import DataError

IMAGES, LABELS = 2051, 2049
SHAPE: dict[int, tuple[int, ...]] = {IMAGES: (28, 28), LABELS: ()}
NAME = {IMAGES: "images", LABELS: "labels"}


class Digits(NamedTuple):
    """Images (N, 28, 28) uint8, 0 the background, and labels (N,) uint8 in 0 .. 9."""

    images: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]


def digits(images: Path, labels: Path, sha256: tuple[str, str] | None = None) -> Digits:
    """Return the digits of two IDX files; DataError unless both are whole and belong together.

    ``sha256`` are the checksums that their contents, decompressed, must have.
    """
    sums = sha256 or (None, None)
    result = Digits(read(images, IMAGES, sums[0]), read(labels, LABELS, sums[1]))
    if len(result.images) != len(result.labels):
        raise DataError(f"{images} has {len(result.images)} images, but {labels} has {len(result.labels)} labels")
    return result


def read(path: Path, magic: int, sha256: str | None = None) -> np.ndarray[Any, Any]:
    """Read a file of ``magic`` IMAGES as (N, 28, 28) uint8, of LABELS as (N,) uint8; else DataError."""
    content = _content(path)
    array = _parse(path, content, magic)
    if sha256 is not None:
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise DataError(f"{path}: not the official file: SHA-256 of its content is {found}, expected {sha256}")
    if magic == LABELS and array.max() > 9:
        index = int(np.argmax(array > 9))
        raise DataError(f"{path}: label {array[index]} at index {index} is outside [0, 10)")
    return array


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        # By what it holds, not by its name: browsers like to unpack a .gz that they keep calling so.
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: truncated or damaged gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _parse(path: Path, content: bytes, magic: int) -> np.ndarray[Any, Any]:
    shape, name = SHAPE[magic], NAME[magic]
    header = struct.Struct(f">{2 + len(shape)}I")
    if len(content) < header.size:
        raise DataError(f"{path}: {len(content)} bytes, fewer than the header of an IDX file of {name}")
    found, count, *found_shape = header.unpack_from(content)
    if found != magic:
        raise DataError(f"{path}: magic number {found}, expected {magic}, an IDX file of {name}")
    if tuple(found_shape) != shape:
        raise DataError(f"{path}: images of {found_shape[0]} x {found_shape[1]} pixels, expected 28 x 28")
    expected = count * int(np.prod(shape, dtype=int))
    if count == 0 or len(content) != header.size + expected:
        raise DataError(
            f"{path}: {len(content) - header.size} bytes after the header, expected {expected} for {count} {name}"
        )
    return np.frombuffer(content, np.uint8, offset=header.size).reshape((count, *shape))

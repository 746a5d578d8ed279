"""``caffe.io``: arrays to messages and back, images, and what prepares them for a net.

Images are float32 arrays (height, width, channels), RGB in [0, 1], as in pycaffe, whose scikit-image is not needed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from caffe_pylayers.pycaffe._transformer import Transformer
from caffe_pylayers.runtime.proto import caffe_pb2

RED_GREEN_BLUE = np.array((0.2125, 0.7154, 0.0721), np.float32)  # the brightness of each, as scikit-image has it


def blobproto_to_array(blob: Any, return_diff: bool = False) -> Any:
    """The values of a BlobProto, or its gradients, in its shape; four axes where it has the old fields. float64."""
    values = np.array(blob.diff if return_diff else blob.data, float)
    if any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return values.reshape(blob.num, blob.channels, blob.height, blob.width)
    return values.reshape(tuple(blob.shape.dim))


def array_to_blobproto(arr: Any, diff: Any = None) -> Any:
    """A BlobProto with the values of an array of any shape, and the gradients of another of that shape."""
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(arr.astype(float).ravel())
    if diff is not None:
        blob.diff.extend(diff.astype(float).ravel())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[Any]) -> bytes:
    """Arrays as a serialized BlobProtoVector."""
    content: bytes = caffe_pb2.BlobProtoVector(blobs=map(array_to_blobproto, arraylist)).SerializeToString()
    return content


def blobprotovector_str_to_arraylist(text: bytes) -> list[Any]:
    """The arrays in a serialized BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in caffe_pb2.BlobProtoVector.FromString(text).blobs]


def array_to_datum(arr: Any, label: int | None = None) -> Any:
    """A Datum of an array (channels, height, width): bytes for uint8, else floats. ValueError for other shapes."""
    if arr.ndim != 3:
        raise ValueError(f"Incorrect array shape: a Datum has (channels, height, width), got {arr.shape}")
    datum = caffe_pb2.Datum(channels=arr.shape[0], height=arr.shape[1], width=arr.shape[2])
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).ravel())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> Any:
    """The values of a Datum that is not encoded, (channels, height, width): uint8 or float64."""
    values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, float)
    return values.reshape(datum.channels, datum.height, datum.width).copy()


def load_image(filename: str | os.PathLike[str], color: bool = True) -> Any:
    """An image file as float32 (height, width, 3), RGB in [0, 1]; without color (height, width, 1), its brightness.

    Transparency is left out. OSError for a file that cannot be read, ValueError for one that is no image.
    """
    from caffe_pylayers.runtime.data import image

    values = image.read_unchanged(filename)
    values = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    if values.ndim == 2:
        values = values[:, :, None]
        return np.tile(values, (1, 1, 3)) if color else values
    values = values[:, :, 2::-1]
    return np.ascontiguousarray(values) if color else (values @ RED_GREEN_BLUE)[:, :, None]


def resize_image(im: Any, new_dims: Sequence[int], interp_order: int = 1) -> Any:
    """An image (height, width, channels) in other sizes, float32, interpolated linearly, or for order 0 not at all.

    As pycaffe with the scikit-image of Debian 11: images of 1 or 3 channels are smoothed where they shrink, and
    fade to their least value in the outermost half pixel where they grow; others are neither. ValueError for an
    interp_order of 2 or more.
    """
    if interp_order not in (0, 1):
        raise ValueError(f"interp_order must be 0 or 1, got {interp_order}")
    picture = im.shape[-1] in (1, 3)
    sizes = [(old, int(new)) for old, new in zip(im.shape[:2], new_dims)]
    least = im.min() if picture else 0.0
    values = im - least
    if picture:
        values = _smoothed(values, sizes)
    rows, columns = (_interpolation(*pair, interp_order, picture) for pair in sizes)
    resized = np.moveaxis(np.tensordot(columns, np.tensordot(rows, values, 1), (1, 1)), 0, 1)
    if picture and interp_order:
        # scikit-image keeps to the values of the smoothed image, but for what lies wholly outside of it.
        resized = np.where(resized == 0, 0, resized.clip(values.min(), values.max()))
    return np.ascontiguousarray(resized + least, np.float32)


def _smoothed(image: Any, sizes: Sequence[tuple[int, int]]) -> Any:
    """The image with a Gaussian, cut off at four sigma and zeros around it, along each axis that shrinks."""
    import cv2

    sigmas = [max(0.0, (old / new - 1) / 2) for old, new in sizes]
    down, across = (cv2.getGaussianKernel(2 * int(4 * sigma + 0.5) + 1, sigma) for sigma in sigmas)
    return cv2.sepFilter2D(image.astype(float), -1, across, down, borderType=cv2.BORDER_CONSTANT).reshape(image.shape)


@functools.lru_cache(maxsize=32)
def _interpolation(old: int, new: int, order: int, picture: bool) -> Any:
    """The matrix (new, old) that resizes along one axis."""
    centres, corners = (np.arange(new) + 0.5) * (old / new) - 0.5, np.arange(new) * ((old - 1) / max(new - 1, 1))
    places = centres if picture else corners
    if order == 0:
        places = np.floor(places + 0.5)
    below = np.floor(places).astype(int)
    matrix = np.zeros((new, old))
    for at, weight in ((below, 1 - (places - below)), (below + 1, places - below)):
        inside = (at >= 0) & (at < old)
        matrix[np.flatnonzero(inside), at[inside]] += weight[inside]
    return matrix


def oversample(images: Sequence[Any], crop_dims: Sequence[int]) -> Any:
    """Ten crops of each image (height, width, channels): corners, centre, and the same mirrored; float32."""
    (height, width), (high, wide) = images[0].shape[:2], (int(n) for n in crop_dims)
    corners = [(y, x) for y in (0, height - high) for x in (0, width - wide)]
    corners.append((int(height / 2.0 - high / 2.0), int(width / 2.0 - wide / 2.0)))
    crops = np.empty((10 * len(images), high, wide, images[0].shape[-1]), np.float32)
    for start, im in zip(range(0, len(crops), 10), images):
        for i, (y, x) in enumerate(corners):
            crops[start + i] = im[y : y + high, x : x + wide]
        crops[start + 5 : start + 10] = crops[start : start + 5, :, ::-1]
    return crops


__all__ = [
    "Transformer",
    "array_to_blobproto",
    "array_to_datum",
    "arraylist_to_blobprotovector_str",
    "blobproto_to_array",
    "blobprotovector_str_to_arraylist",
    "datum_to_array",
    "load_image",
    "oversample",
    "resize_image",
]

"""``caffe.io``: arrays to messages and back, images, and what prepares them for a net.

Images are float32 arrays (height, width, channels), RGB in [0, 1], as in pycaffe, whose scikit-image is not needed.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from caffe_pylayers.runtime.data import image
from caffe_pylayers.runtime.data.resizing import resize, zoom
from caffe_pylayers.runtime.proto import caffe_pb2

RED_GREEN_BLUE = np.array((0.2125, 0.7154, 0.0721), np.float32)  # the brightness of each, as scikit-image has it


def blobproto_to_array(blob: Any, return_diff: bool = False) -> Any:
    """Return the values of a BlobProto, or its gradients, in its shape, of four axes in the old format; float64."""
    values = np.array(blob.diff if return_diff else blob.data, float)
    if any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return values.reshape(blob.num, blob.channels, blob.height, blob.width)
    return values.reshape(tuple(blob.shape.dim))


def array_to_blobproto(arr: Any, diff: Any = None) -> Any:
    """Return a BlobProto with the values of an array of any shape, and the gradients of another of that shape."""
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(arr.astype(float).ravel())
    if diff is not None:
        blob.diff.extend(diff.astype(float).ravel())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[Any]) -> bytes:
    """Serialize arrays as a BlobProtoVector."""
    content: bytes = caffe_pb2.BlobProtoVector(blobs=map(array_to_blobproto, arraylist)).SerializeToString()
    return content


def blobprotovector_str_to_arraylist(str: bytes) -> list[Any]:
    """Return the arrays in a serialized BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in caffe_pb2.BlobProtoVector.FromString(str).blobs]


def array_to_datum(arr: Any, label: int | None = None) -> Any:
    """Make a Datum of an array (channels, height, width): bytes for uint8, else floats. ValueError for others."""
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
    """Return the values of a Datum that is not encoded, (channels, height, width): uint8 or float64."""
    values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, float)
    return values.reshape(datum.channels, datum.height, datum.width).copy()


def load_image(filename: str | os.PathLike[str], color: bool = True) -> Any:
    """Read an image file as float32 (height, width, 3), RGB in [0, 1]; or its brightness, (height, width, 1).

    Transparency is left out. OSError for a file that cannot be read, ValueError for one that is no image.
    """
    values = image.read_unchanged(filename)
    values = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    if values.ndim == 2:
        values = values[:, :, None]
        return np.tile(values, (1, 1, 3)) if color else values
    values = values[:, :, 2::-1]
    return np.ascontiguousarray(values) if color else (values @ RED_GREEN_BLUE)[:, :, None]


def resize_image(im: Any, new_dims: Sequence[int], interp_order: int = 1) -> Any:
    """Return an image (height, width, channels) in other sizes, float32.

    interp_order: 1 interpolates linearly, 0 takes the nearest value.

    As pycaffe with the scikit-image of Debian 11: images of 1 or 3 channels are smoothed where they shrink, and
    fade to their least value in the outermost half pixel where they grow; others are neither. ValueError for an
    interp_order of 2 or more.
    """
    if interp_order not in (0, 1):
        raise ValueError(f"interp_order must be 0 or 1, got {interp_order}")
    if im.shape[-1] in (1, 3):
        least = im.min()
        resized = resize(np.subtract(im, least, dtype=float), new_dims, interp_order, mode="constant") + least
    else:
        resized = zoom(im, new_dims, interp_order)
    return np.ascontiguousarray(resized, np.float32)


def oversample(images: Sequence[Any], crop_dims: Sequence[int]) -> Any:
    """Return ten crops of each image (height, width, channels): corners, centre, and these mirrored; float32."""
    (height, width), (high, wide) = images[0].shape[:2], (int(n) for n in crop_dims)
    corners = [(y, x) for y in (0, height - high) for x in (0, width - wide)]
    corners.append((int(height / 2.0 - high / 2.0), int(width / 2.0 - wide / 2.0)))
    crops = np.empty((10 * len(images), high, wide, images[0].shape[-1]), np.float32)
    for start, im in zip(range(0, len(crops), 10), images):
        for i, (y, x) in enumerate(corners):
            crops[start + i] = im[y : y + high, x : x + wide]
        crops[start + 5 : start + 10] = crops[start : start + 5, :, ::-1]
    return crops


class Transformer:
    """Prepares images (height, width, channels) for a net's inputs: pycaffe's Transformer.

    inputs: the shape of each input by its name: (N, C, H, W), or (N, C) for vectors, or (N, C, sizes...).

    The steps, each of them only once it is set, but for the first: resize to the input's sizes, transpose, swap the
    channels, multiply by raw_scale, subtract the mean, multiply by input_scale.

    Raises Exception, which is pycaffe's own here, for a name that is no input's and for an order that does not fit
    it, ValueError for a mean that does not.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Any] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: Any) -> Any:
        """Return the input's values for an image, float32; the image is left as it is."""
        self._check_input(in_)
        found = np.array(data, np.float32)
        sizes = self.inputs[in_][2:]
        if not len(sizes) <= found.ndim <= len(sizes) + 1:
            raise ValueError(f"{in_} takes arrays of {len(sizes) + 1} axes, got shape {found.shape}")
        if found.shape[: len(sizes)] != sizes:
            found = resize_image(found, sizes)
        if in_ in self.transpose:
            found = found.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            found = found[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            found = found * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            found = np.subtract(found, self.mean[in_], dtype=np.float32)
        if in_ in self.input_scale:
            found = found * np.float32(self.input_scale[in_])
        return found

    def deprocess(self, in_: str, data: Any) -> Any:
        """Return the image that preprocess made ``data`` from, but for its size; of the type of ``data``, floats."""
        self._check_input(in_)
        found = np.array(data).squeeze()
        if in_ in self.input_scale:
            found /= self.input_scale[in_]
        if in_ in self.mean:
            found += self.mean[in_]
        if in_ in self.raw_scale:
            found /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            found = found[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            found = found.transpose(np.argsort(self.transpose[in_]))
        return found

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the axes: (2, 0, 1) for (H, W, C) to (C, H, W)."""
        self._check_input(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise Exception(
                f"Transpose order needs to have the same number of dimensions as the input: {in_} has "
                f"{len(self.inputs[in_]) - 1}, got {tuple(order)}"
            )
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the channels, the first axis once transposed: (2, 1, 0) for RGB to BGR."""
        self._check_input(in_)
        if len(order) != self.inputs[in_][1]:
            raise Exception(
                f"Channel swap needs to have the same number of dimensions as the input channels: {in_} has "
                f"{self.inputs[in_][1]}, got {tuple(order)}"
            )
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set a factor for the image, before the mean: 255 for nets that were trained on bytes."""
        self._check_input(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: Any) -> None:
        """Set the array to subtract: a value for each channel (C,), or (C, H, W) or (H, W), resized to fit."""
        self._check_input(in_)
        channels, *sizes = self.inputs[in_][1:]
        if mean.ndim == 1:
            if len(mean) != channels:
                raise ValueError(f"Mean channels incompatible with input: {in_} has {channels}, got {len(mean)}")
            mean = mean.reshape(-1, *[1] * len(sizes))
        else:
            shape = (1, *mean.shape) if mean.ndim == len(sizes) else mean.shape
            if len(shape) != 1 + len(sizes):
                raise ValueError(f"Mean shape invalid: must be (C,), (H, W) or (C, H, W), got {mean.shape}")
            if shape != self.inputs[in_][1:]:
                mean = np.moveaxis(resize_image(np.moveaxis(mean.reshape(shape), 0, -1), sizes), -1, 0)
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set a factor for the input's values, after the mean."""
        self._check_input(in_)
        self.input_scale[in_] = scale

    def _check_input(self, in_: str) -> None:
        if in_ not in self.inputs:
            raise Exception(f"{in_} is not one of the net inputs: {', '.join(self.inputs)}")


def __getattr__(name: str) -> Any:
    """Give ``caffe.io.skimage`` to scripts that reach scikit-image through it."""
    if name != "skimage":
        raise AttributeError(f"module 'caffe.io' has no attribute {name!r}")
    try:
        importlib.import_module("skimage.io")
    except ModuleNotFoundError as error:
        raise AttributeError("caffe.io.skimage is scikit-image: pip install scikit-image") from error
    return sys.modules["skimage"]

"""Blobs of a GPU as tensors in their own memory, where a real Caffe tells its address.

Caffe calls a Python layer on the host, and ``blob.data`` copies what is on the GPU. A Caffe newer than 1.0, built with
CUDA, has ``blob._gpu_data_ptr`` and ``blob._gpu_diff_ptr``. With CAFFE_PYLAYERS_GPU_BLOBS=1 in the environment a layer
with ``array_api = True`` gets PyTorch's tensors at these addresses, and computes on the GPU without a copy. Both use
CUDA's default stream, so that neither reads before the other has written.
"""

from __future__ import annotations

import importlib
import math
import os
from typing import Any

VARIABLE = "CAFFE_PYLAYERS_GPU_BLOBS"
WANTED = os.environ.get(VARIABLE, "0") not in ("", "0")


class DeviceMemory:
    """float32 values at an address of a GPU, for libraries that know ``__cuda_array_interface__``."""

    def __init__(self, address: int, shape: tuple[int, ...]) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": "<f4",
            "data": (address, False),
            "strides": None,
            "version": 2,
        }


def tensor_at(address: int, shape: tuple[int, ...]) -> Any:
    """Return a tensor whose memory is that of a GPU at the address; ImportError without PyTorch."""
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(f"{VARIABLE}=1 needs PyTorch with CUDA in the Python that Caffe runs: {error}") from error
    if not math.prod(shape):
        return torch.empty(shape, device="cuda")
    return torch.as_tensor(DeviceMemory(address, shape), device="cuda")


class DeviceBlob:
    """A blob of real Caffe whose ``data`` and ``diff`` are tensors on the GPU: its own memory."""

    def __init__(self, blob: Any) -> None:
        self._blob = blob

    @property
    def data(self) -> Any:
        return tensor_at(self._blob._gpu_data_ptr, self.shape)

    @property
    def diff(self) -> Any:
        return tensor_at(self._blob._gpu_diff_ptr, self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(int, self._blob.shape))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blob, name)  # reshape, count, num, ...


class DeviceBlobs:
    """``bottom``, ``top`` or ``self.blobs`` with DeviceBlobs in them."""

    def __init__(self, blobs: Any) -> None:
        self._blobs = blobs

    def __len__(self) -> int:
        return len(self._blobs)

    def __getitem__(self, index: Any) -> Any:
        found = self._blobs[index]
        return DeviceBlobs(found) if isinstance(index, slice) else DeviceBlob(found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)  # add_blob


def shown(blobs: Any) -> Any:
    """Return blobs that know an address on the GPU as DeviceBlobs; what else there is, and no blobs, as it is."""
    # The type is asked: to ask a blob, of a Caffe without CUDA, ends the process.
    if isinstance(blobs, DeviceBlobs) or not len(blobs) or not hasattr(type(blobs[0]), "_gpu_data_ptr"):
        return blobs
    return DeviceBlobs(blobs)


def show_learned(layer: Any) -> None:
    """Have ``self.blobs`` of a class of layers shown so, too, where it is a property, as real Caffe's is."""
    given = getattr(layer, "blobs", None)
    if isinstance(given, property) and given.fget is not None:
        get = given.fget
        layer.blobs = property(lambda self: shown(get(self)) if self.array_api else get(self))

"""The boundary to Python layers: what Caffe's PythonLayer does."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.blob_vec import BlobVec


class TensorBlob:
    """A blob as a layer with ``array_api = True`` sees it: tensors on the blob's device, nothing copied."""

    def __init__(self, blob: Blob) -> None:
        self.blob = blob

    @property
    def data(self) -> torch.Tensor:
        """The values, to be read and written."""
        return self.blob.update()

    @property
    def diff(self) -> torch.Tensor:
        """The gradients, to be read and written."""
        return self.blob.update_diff()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blob, name)  # shape, reshape, count, num, ...


class TensorBlobVec(BlobVec):
    """``self.blobs`` of a layer with ``array_api = True``."""

    def add_blob(self, *dims: int) -> None:
        """Add a learned blob of this shape, zero at first."""
        self.append(TensorBlob(Blob(dims)))  # type: ignore[arg-type]


class PythonLayerBase:
    """``caffe.Layer``: what a Python layer's class derives from.

    The net sets ``param_str``, ``phase`` and ``blobs`` before it calls ``setup``.
    """

    type = "Python"

    def __init__(self, layer_param: Any = None) -> None:
        self.blobs = BlobVec()


@register("Python")
class PythonLayer(Layer):
    """A layer whose work a Python class does, found by python_param's module and layer.

    The order and number of calls are Caffe's: setup once, reshape after it and before each
    forward. An exception reaches the caller as it is, with a note that names the layer, the
    method and the shapes.
    """

    bottoms = (0, None)
    tops = (0, None)
    reshapes_always = True

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.python_param
        self._class = f"{param.module}.{param.layer}"
        self.instance: Any = None
        try:
            instance = self.instance = self._make()
            self._as_tensors = bool(getattr(instance, "array_api", False))
            instance.param_str = param.param_str
            instance.phase = int(self.phase)
            instance.blobs = (TensorBlobVec if self._as_tensors else BlobVec)(self._shown(self.blobs))
            self.bottom, self.top = self._shown(bottom), self._shown(top)
            instance.setup(self.bottom, self.top)
        except Exception as error:
            self.note(error, "setup" if self.instance is not None else "__init__", bottom, top)
            raise
        self.blobs = BlobVec(blob.blob if isinstance(blob, TensorBlob) else blob for blob in instance.blobs)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        try:
            self.instance.reshape(self.bottom, self.top)
        except Exception as error:
            self.note(error, "reshape", bottom, top)
            raise

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        try:
            self.instance.forward(self.bottom, self.top)
        except Exception as error:
            self.note(error, "forward", bottom, top)
            raise

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        try:
            self.instance.backward(self.top, list(propagate_down), self.bottom)
        except Exception as error:
            self.note(error, "backward", bottom, top)
            raise

    def _shown(self, blobs: Sequence[Blob]) -> list[Any]:
        return [TensorBlob(blob) for blob in blobs] if self._as_tensors else list(blobs)

    def _make(self) -> Any:
        from caffe_pylayers._engine.install import install

        install()  # the module may say `import caffe`
        param = self.layer_param.python_param
        return getattr(importlib.import_module(param.module), param.layer)(self.layer_param)

    def note(self, error: Exception, method: str, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Tell the exception where it was raised."""
        if hasattr(error, "add_note"):  # Python 3.11
            shapes = f"bottoms {[b.shape for b in bottom]}, tops {[t.shape for t in top]}"
            error.add_note(f'in {method} of layer "{self.name}" ({self._class}), {shapes}')

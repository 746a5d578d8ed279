"""Python layers in a net: Caffe's PythonLayer."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers._layer.quote import plain, quoted
from caffe_pylayers._nets.forks import wording
from caffe_pylayers._nets.titles import title
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.blob_vec import BlobVec
from caffe_pylayers.runtime.memory.limits import Shape


class TensorBlob:
    """A blob whose ``data`` and ``diff`` are tensors on the current device: for layers with ``array_api = True``."""

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

    @property
    def device(self) -> torch.device:
        """Where the tensors are now."""
        return device.current()

    @property
    def shape(self) -> Shape:
        """The sizes of the axes."""
        return self.blob.shape

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blob, name)  # reshape, count, num, ...


class TensorBlobVec(BlobVec):
    """``self.blobs`` of a layer with ``array_api = True``."""

    def add_blob(self, *dims: int) -> None:
        """Add a learned blob of this shape, zero at first."""
        self.append(TensorBlob(Blob(dims)))  # type: ignore[arg-type]


class PythonLayerBase:
    """``caffe.Layer``: the base of Python layers' classes.

    The net sets ``param_str``, ``phase`` and ``blobs`` before it calls ``setup``.
    """

    type = "Python"

    def __init__(self, layer_param: Any = None) -> None:
        self.blobs = BlobVec()


@register("Python")
class PythonLayer(Layer):
    """A layer that an instance of a Python class computes, as Caffe's Python: python_param's module and layer name it.

    ``setup`` makes the instance and calls its setup. A net calls the instance's other methods itself, ``reshape``
    after setup and before each forward, as Caffe does. An exception of theirs reaches the caller as it is, with a note
    that names the layer, the method and the shapes.
    """

    bottoms = (0, None)
    tops = (0, None)
    reshapes_always = True
    instance: Any = None

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.python_param
        instance = self.instance = self._make()
        self._as_tensors = bool(getattr(instance, "array_api", False))
        instance.param_str = param.param_str
        instance.phase = int(self.phase)
        if self.type != instance.type:
            instance.type = self.type  # a fork's
        instance.blobs = (TensorBlobVec if self._as_tensors else BlobVec)(self.shown(self.blobs))
        instance.setup(self.shown(bottom), self.shown(top))
        self.blobs = BlobVec(blob.blob if isinstance(blob, TensorBlob) else blob for blob in instance.blobs)

    @property
    def worker(self) -> Any:
        return self.instance

    def shown(self, blobs: Sequence[Blob]) -> list[Any]:
        return [TensorBlob(blob) for blob in blobs] if self._as_tensors else list(blobs)

    def _make(self) -> Any:
        from caffe_pylayers._engine.install import install

        install()  # the module may say `import caffe`
        return self._class()(self.layer_param)

    def _class(self) -> Any:
        """Return the class, or the function that makes the layer.

        ModuleNotFoundError, AttributeError or LayerError for one that is not there; errors of the module's code as
        they are.
        """
        from caffe_pylayers._nets import python_param as rules  # which needs an installed engine

        param = self.layer_param.python_param
        problem = rules.name_problem(param)
        if problem:
            raise self.error(problem)
        try:
            module = importlib.import_module(param.module)
        except ModuleNotFoundError as error:
            problem = rules.missing_module(param, error, "")
            if problem:
                raise ModuleNotFoundError(f"{title(self)}: {plain(problem)}", name=error.name) from error
            raise
        if not hasattr(module, param.layer):
            raise AttributeError(f"{title(self)}: {plain(rules.missing_class(module, param.layer))}")
        found = getattr(module, param.layer)
        if not callable(found):
            raise self.error(rules.no_class(module, param.layer))
        return found

    def explain(self, error: Exception, method: str, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Raise as Layer.explain does, or add a note to an exception of the class's own, which stays as it is.

        LayerError with the fork's fields for what a class of the library refuses that does a fork's layer.
        """
        super().explain(error, method, bottom, top)
        if hasattr(error, "add_note") and not str(error).startswith(title(self)):  # Python 3.11
            param = self.layer_param.python_param
            method = "__init__" if self.instance is None else method
            shapes = f"bottoms {[b.shape for b in bottom]}, tops {[t.shape for t in top]}"
            error.add_note(
                f"in {method} of layer {quoted(self.name)} ({plain(f'{param.module}.{param.layer}')}), {shapes}"
            )
        refused = f"{type(self.instance).__name__}: "
        if self.type != "Python" and isinstance(error, (TypeError, ValueError)) and str(error).startswith(refused):
            raise self.error(wording.of_fork(self.layer_param, str(error)[len(refused) :])) from error

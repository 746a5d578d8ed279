"""The base class of the package's Python layers."""

from __future__ import annotations

import functools
import sys
import traceback
from typing import Any, Callable

from caffe_pylayers._layer.parameter import Parameter, declared, read_parameters
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["Layer", "Parameter"]


class _NoEngineLayer:
    """In place of ``caffe.Layer`` where no caffe can be imported.

    A layer class can then still be read, documented and gradient-checked; and an engine that
    turns up later can make it, as it makes its own.
    """

    def __init__(self, layer_param: Any = None) -> None:
        pass


def _engine_layer() -> Any:
    try:
        import caffe
    except ModuleNotFoundError as error:
        if error.name != "caffe":
            raise
        return _NoEngineLayer
    try:
        return caffe.Layer
    except AttributeError:
        raise ImportError(f"{caffe.__file__} is not pycaffe: it has no Layer; see `caffe-pylayers check`") from None


def _visible(method: Callable[..., None]) -> Callable[..., None]:
    """The method, printing its exceptions."""

    @functools.wraps(method)
    def wrapper(self: Any, *blobs: Any) -> None:
        try:
            method(self, *blobs)
        except Exception as error:
            if not getattr(error, "_printed_by_layer", False):
                error._printed_by_layer = True  # type: ignore[attr-defined]
                _print_failure(self, method.__name__, blobs)
            raise

    return wrapper


def _with_parameters(setup: Callable[..., None]) -> Callable[..., None]:
    """The method ``setup``, reading param_str first."""

    @functools.wraps(setup)
    def wrapper(self: Any, bottom: Any, top: Any) -> None:
        self._read_param_str()
        setup(self, bottom, top)

    return wrapper


def _print_failure(layer: Layer, method: str, blobs: tuple[Any, ...]) -> None:
    bottom, top = (blobs[-1], blobs[0]) if method == "backward" else (blobs[0], blobs[-1])
    cls = type(layer)
    lines = [
        f"{cls.__module__}.{cls.__name__}.{method} failed",
        f"  phase: {'TRAIN' if layer.phase == TRAIN else 'TEST'}",
        f"  param_str: {getattr(layer, 'param_str', '')!r}",
    ]
    for side, group in (("bottom", bottom), ("top", top)):
        # Not data.shape: to touch the data of a top before its first reshape ends the process.
        lines += [f"  {side}[{i}]: {tuple(group[i].shape)}" for i in range(len(group))]
    print("\n".join(lines), file=sys.stderr)
    traceback.print_exc(file=sys.stderr)
    sys.stderr.flush()


class Layer(_engine_layer()):  # type: ignore[misc]
    """A Python layer with declared parameters and visible errors.

    A subclass defines ``setup`` (optional), ``reshape``, ``forward`` and ``backward`` as any
    Caffe Python layer does, and declares what its param_str may hold::

        class Margin(Layer):
            margin = Parameter(float, 1.0, low=0, doc="distance below which a pair costs, in pixels")

    Before ``setup`` runs, ``self.margin`` holds the value from param_str (JSON, a Python
    literal or YAML dictionary) or the default; an unknown key, a wrong type or a value out of
    range raises ValueError or TypeError naming the key, what is allowed and what came.

    An exception in any of the four methods is printed to stderr with the class, the method,
    the blobs' shapes, phase, param_str and traceback before it goes on to the caller: the
    ``caffe`` program ends without a word on a Python exception.

    phase: caffe.TRAIN or caffe.TEST; TRAIN on engines that never set it.
    array_api: True on a class whose methods use only what numpy and torch share, see _array.
    """

    array_api = False
    phase = TRAIN

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("setup", "reshape", "forward", "backward"):
            if name in vars(cls):
                method = vars(cls)[name]
                setattr(cls, name, _visible(_with_parameters(method) if name == "setup" else method))

    # Caffe's own four methods call themselves without end when a Python class leaves one out.
    @_visible
    @_with_parameters
    def setup(self, bottom: Any, top: Any) -> None:
        pass

    def reshape(self, bottom: Any, top: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__}: reshape is not defined")

    def forward(self, bottom: Any, top: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__}: forward is not defined")

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__}: backward is not defined")

    def _read_param_str(self) -> None:
        # Forks older than Caffe 1.0 (caffe-fast-rcnn) set param_str_ only.
        text: str = getattr(self, "param_str", "") or getattr(self, "param_str_", "")
        self.param_str = self.param_str_ = text
        try:
            self.__dict__.update(read_parameters(declared(type(self)), text))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{type(self).__name__}: {error}") from None

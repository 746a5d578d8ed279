"""The base class of the package's Python layers."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import traceback
from typing import Any, Callable

from caffe_pylayers._layer import arrays, checks, device_blobs, passes
from caffe_pylayers._layer.parameter import Parameter, declared, read_parameters
from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers._layer.quote import short

__all__ = ["Layer", "Parameter"]


class _NoEngineLayer:
    """In place of ``caffe.Layer`` where no caffe can be imported.

    A layer class can then still be read, documented and gradient-checked; and an engine that
    turns up later can make it, as it makes its own.
    """

    type = "Python"

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
    """Return the method, made to print its exceptions to stderr before it raises them."""

    @functools.wraps(method)
    def wrapper(self: Any, *blobs: Any) -> None:
        if device_blobs.WANTED and self.array_api:
            blobs = tuple(map(device_blobs.shown, blobs))
        try:
            method(self, *blobs)
        except Exception as error:
            named = _naming_layer(self, error)
            if not getattr(error, "_printed_by_layer", False):
                named._printed_by_layer = True  # type: ignore[attr-defined]
                _print_failure(self, method.__name__, blobs)
            if named is error:
                raise
            raise named from error

    return wrapper


# Of numpy and torch, where a size is beyond what they can ask the system for, or the system refuses.
_REFUSED = re.compile(
    r"tried to allocate .*?bytes|Storage size calculation overflowed|array is too big|Maximum allowed dimension"
)


def _naming_layer(layer: Any, error: Exception) -> Exception:
    """Return an exception for memory that cannot be had as a MemoryError with the layer's name, others as they are."""
    name, text = type(layer).__name__, str(error)
    refused = _REFUSED.search(text)
    if text.startswith(f"{name}: ") or not (refused or isinstance(error, MemoryError)):
        return error
    return MemoryError(f"{name}: not enough memory{': ' if text else ''}{refused.group() if refused else text}")


def _with_parameters(setup: Callable[..., None]) -> Callable[..., None]:
    """Return ``setup``, made to read param_str first."""

    @functools.wraps(setup)
    def wrapper(self: Any, bottom: Any, top: Any) -> None:
        self._read_param_str()
        setup(self, bottom, top)

    return wrapper


def _shape(blob: Any) -> tuple[int, ...]:
    """Return a blob's shape; its array's where the blob's is no tuple, as on real Caffe, and takes longer to read."""
    shape = blob.shape
    return shape if type(shape) is tuple else blob.data.shape


def _print_failure(layer: Layer, method: str, blobs: tuple[Any, ...]) -> None:
    bottom, top = (blobs[-1], blobs[0]) if method == "backward" else (blobs[0], blobs[-1])
    cls = type(layer)
    lines = [
        f"{cls.__module__}.{cls.__name__}.{method} failed",
        f"  phase: {'TRAIN' if layer.phase == TRAIN else 'TEST'}",
        f"  param_str: {short(getattr(layer, 'param_str', ''))}",
    ]
    for side, group in (("bottom", bottom), ("top", top)):
        # Not data.shape: to touch the data of a top before its first reshape ends the process.
        lines += [f"  {side}[{i}]: {tuple(group[i].shape)}" for i in range(len(group))]
    print("\n".join(lines), file=sys.stderr)
    traceback.print_exc(file=sys.stderr)
    sys.stderr.flush()


class Layer(_engine_layer()):  # type: ignore[misc]
    """A Python layer with declared parameters, a plan for the shapes that come, and visible errors.

    A subclass declares what its param_str may hold and defines four methods::

        class ScaledDistance(Layer):
            scale = Parameter(float, 1.0, above=0, doc="of the distance, in pixels")

            def setup(self, bottom, top):            # once: count the bottoms and tops
            def plan(self, a, b):                    # for new shapes: check them, return the tops'
            def forward(self, bottom, top):
            def backward(self, top, propagate_down, bottom):

    Before ``setup`` (optional) runs, ``self.scale`` holds the value from param_str (JSON, a Python
    literal or YAML dictionary) or the default; an unknown key, a wrong type or a value out of
    range raises ValueError or TypeError naming the key, what is allowed and what came.

    ``plan`` gets the bottoms' data arrays, whose names its arguments are (optional bottoms have
    defaults; another number is an error), and returns one shape for each top; shapes of optional
    tops may follow. It is called when the bottoms' shapes have changed since the last iteration,
    so what depends on them alone, such as buffers, is made there: their shape, dtype and device
    are to be used, never their values. A layer whose tops follow something else defines
    ``reshape`` in its place, which Caffe calls before every forward.

    An exception in any of these is printed to stderr with the class, the method, the blobs'
    shapes, phase, param_str and traceback before it goes on to the caller: the ``caffe`` program
    ends without a word on a Python exception.

    phase: caffe.TRAIN or caffe.TEST; TRAIN on engines that never set it.
    array_api: True on a class whose methods use only what numpy and torch share. The runtime
        then hands it tensors; ``self.xp`` is numpy or torch, whichever the bottoms belong to.
    in_place: True on a class whose top[0] may be its bottom[0]; any other top that is a bottom is refused.
    """

    array_api = False
    in_place = False
    phase = TRAIN
    xp: Any
    _planned_for: Any = None

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

    @_visible
    def reshape(self, bottom: Any, top: Any) -> None:
        """Call plan where the bottoms' shapes are new, and reshape the tops to what it returned."""
        if self.phase == TRAIN:
            passes.begin()
        blobs = [bottom[i] for i in range(len(bottom))]
        # Of tensors the device too, which changes with Caffe's mode.
        found = [getattr(blob, "device", None) for blob in blobs[:1]] + [_shape(blob) for blob in blobs]
        changed = found != self._planned_for
        if changed:
            data = [blob.data for blob in blobs]
            self.xp = arrays.namespace(*data)
            self._top_shapes = list(enumerate(self._plan(data, len(top))))
            self._planned_for = found
        for i, shape in self._top_shapes:
            top[i].reshape(*shape)
        if changed:
            checks.apart(self, bottom, top)

    @_visible
    def forward(self, bottom: Any, top: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__}: forward is not defined")

    @_visible
    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__}: backward is not defined")

    def plan(self, *bottoms: Any) -> Any:
        """Return the tops' shapes for these bottoms' arrays; see the class."""
        raise NotImplementedError(f"{type(self).__name__}: reshape is not defined, nor plan in its place")

    def _plan(self, data: list[Any], tops: int) -> list[tuple[int, ...]]:
        named = inspect.signature(self.plan).parameters.values()
        if all(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in named):
            optional = sum(parameter.default is not parameter.empty for parameter in named)
            checks.bottoms(self, data, *(parameter.name for parameter in named), optional=optional)
        returned = self.plan(*data)
        try:
            shapes = [tuple(map(int, shape)) for shape in returned]
        except TypeError:
            raise TypeError(
                f"{type(self).__name__}: plan must return a shape for each top, such as [(1,)], got {short(returned)}"
            ) from None
        if len(shapes) < tops:
            raise ValueError(f"{type(self).__name__}: plan returns {len(shapes)} shapes for {tops} tops")
        return shapes[:tops]

    def _read_param_str(self) -> None:
        # Forks older than Caffe 1.0 (caffe-fast-rcnn) set param_str_ only.
        text: str = getattr(self, "param_str", "") or getattr(self, "param_str_", "")
        self.param_str = self.param_str_ = text
        try:
            self.__dict__.update(read_parameters(declared(type(self)), text))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{type(self).__name__}: {error}") from None


if device_blobs.WANTED:
    device_blobs.show_learned(Layer)

"""A Python layer driven without an engine, on blobs of any dtype."""

from __future__ import annotations

import math
import sys
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Layer
from caffe_pylayers.testing._blobs import Blob, LearnedBlobs, ShownBlobs
from caffe_pylayers.testing._case import Case


class LayerRun:
    """One layer instance with its bottoms and tops, called in Caffe's order.

    The instance is made as Caffe makes it, and sees its blobs as on real Caffe: what fails there
    fails here.

    layer_class, bottoms, and by name param_str, tops, phase, dtype: see Case; or a Case alone.
    in_place: True where top[0] is to be bottom[0].
    bottom, top: its blobs. The bottoms are copies; those of integers hold floats, as in Caffe.
    layer: the instance.
    """

    layer: Any

    def __init__(
        self, layer_class: type | Case, bottoms: Sequence[Any] = (), *, in_place: bool = False, **case: Any
    ) -> None:
        self.case = Case.of(layer_class, bottoms, case)
        self.bottom = [Blob(_copy(x, self.case.dtype)) for x in self.case.bottoms]
        self.top = [Blob(self._empty(), shaped=False) for _ in range(self.case.tops)]
        if in_place:
            self.top[0] = self.bottom[0]
        self._seen = ShownBlobs(self.bottom, "bottom"), ShownBlobs(self.top, "top")
        self._call("__init__")
        self.layer.param_str = self.case.param_str
        self.layer.phase = self.case.phase
        self.layer.blobs = LearnedBlobs(self._empty())
        self._call("setup", *self._seen)
        self._call("reshape", *self._seen)

    def forward(self, before: float = math.nan) -> list[Any]:
        """Call reshape, then forward with tops filled with ``before``, but for one in place; return the tops' data."""
        self._call("reshape", *self._seen)
        for blob in self.top:
            if blob not in self.bottom:
                blob.data[...] = before
        self._call("forward", *self._seen)
        return [blob.data for blob in self.top]

    def backward(
        self, top_diffs: Sequence[Any], propagate_down: Sequence[bool] | None = None, before: float = math.nan
    ) -> list[Any]:
        """Call backward with bottom diffs filled with ``before``, by default for all bottoms; return them.

        The learned blobs' diffs are left as they are: a layer adds to them.
        """
        for blob, diff in zip(self.top, top_diffs):
            blob.diff[...] = diff
        for blob in self.bottom:
            if blob not in self.top:
                blob.diff[...] = before
        down = [True] * len(self.bottom) if propagate_down is None else list(propagate_down)
        bottom, top = self._seen
        self._call("backward", top, down, bottom)
        return [blob.diff for blob in self.bottom]

    def _call(self, method: str, *blobs: Any) -> None:
        try:
            if method == "__init__":
                self.layer = _instance(self.case.layer_class)
            else:
                getattr(self.layer, method)(*blobs)
        except Exception as error:
            error._raised_in = method  # type: ignore[attr-defined]
            raise

    def _empty(self) -> Any:
        if not self.bottom:
            return np.zeros(0, self.case.dtype)
        data = self.bottom[0].data
        return arrays.namespace(data).zeros_like(data.reshape(-1)[:0])


class LayerParameter:
    """The argument that Caffe calls a layer class with: an object whose fields Python cannot see."""


def _instance(layer_class: type) -> Any:
    """Return an instance, made by a call with a LayerParameter."""
    engine = getattr(sys.modules.get("caffe"), "Layer", None)
    bases = (engine, Layer.__bases__[0]) if engine is not None else Layer.__bases__
    base = next((base for base in bases if issubclass(layer_class, base)), object)
    # caffe.Layer's own __init__ takes nothing but Caffe's LayerParameter, and its blobs is a property.
    stand_in = type("Layer", (base,), {"__init__": lambda self, layer_param=None: None, "blobs": None})
    own = {"__module__": layer_class.__module__, "__doc__": layer_class.__doc__}
    return type(layer_class.__name__, (layer_class, stand_in), own)(LayerParameter())


def _copy(array: Any, dtype: Any) -> Any:
    xp = arrays.namespace(array)
    if xp is np:
        return np.array(array, dtype=dtype, order="C")
    return array.clone() if array.is_floating_point() else array.to(getattr(xp, np.dtype(dtype).name))

"""The subject of a check: a layer class, its bottoms, and the arguments that Caffe would set it up with."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.quote import short


@dataclass(frozen=True)
class Case:
    """A layer class with all that it takes to run it once.

    layer_class: a Caffe Python layer class, with or without an engine.
    bottoms: arrays, one for each bottom, numpy or torch; integers and booleans stand for labels.
    param_str: as in the prototxt.
    tops: number of tops.
    phase: caffe.TRAIN (0) or caffe.TEST (1).
    dtype: of the blobs: float64, or float32 as in Caffe. Tensors of floats keep theirs.
    Raises TypeError or ValueError naming the argument that is none of this.
    """

    layer_class: type
    bottoms: Sequence[Any] = ()
    param_str: str = ""
    tops: int = 1
    phase: int = 0
    dtype: Any = np.float64

    @classmethod
    def of(cls, layer_class: Any, bottoms: Any, options: dict[str, Any]) -> Case:
        """Return the case that a function was given: itself, or its parts."""
        if isinstance(layer_class, Case):
            return layer_class
        known = [field.name for field in fields(cls)][2:]
        for name in options:
            if name not in known:
                raise TypeError(f"unknown argument {name}; a layer's case has {', '.join(known)}")
        return cls(layer_class, bottoms, **options)

    def __post_init__(self) -> None:
        _check_class(self.layer_class)
        shape = getattr(self.bottoms, "shape", None)
        if shape is not None:
            raise TypeError(f"bottoms must be a list of arrays, got one array of shape {tuple(shape)}: write [array]")
        if not isinstance(self.bottoms, (list, tuple)):
            raise TypeError(f"bottoms must be a list of arrays, got {short(self.bottoms)}")
        for i, array in enumerate(self.bottoms):
            if arrays.namespace(array) is np and np.asarray(array).dtype.kind not in "buif":
                raise TypeError(f"bottoms[{i}] must be an array of numbers, got {short(array)}")
        if not isinstance(self.param_str, str):
            raise TypeError(f"param_str must be a string, as in a prototxt, got {short(self.param_str)}")
        if not isinstance(self.tops, int) or self.tops < 0:
            raise TypeError(f"tops must be the number of tops, got {short(self.tops)}")
        if self.phase not in (0, 1):
            raise ValueError(f"phase must be caffe.TRAIN (0) or caffe.TEST (1), got {short(self.phase)}")

    @property
    def name(self) -> str:
        """The class's name, with which messages start."""
        return self.layer_class.__name__


def _check_class(layer_class: Any) -> None:
    if isinstance(layer_class, type):
        return
    if isinstance(layer_class, str):
        raise TypeError(f"layer_class must be the class itself, got the string {layer_class!r}: import the class")
    cls = type(layer_class)
    if hasattr(cls, "forward"):
        raise TypeError(f"layer_class must be a class, got an instance of {cls.__name__}: write {cls.__name__}")
    raise TypeError(f"layer_class must be a class, got {short(layer_class)}")

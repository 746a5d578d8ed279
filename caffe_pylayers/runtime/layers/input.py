"""Input, DummyData and Parameter: tops that come from no bottom and no file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_pylayers.runtime.layers._setup import make_learned_blobs, same_or_legacy
from caffe_pylayers.runtime.layers.fillers import FILLERS, check_filler, fill
from caffe_pylayers.runtime.layers.layer import Layer, register
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.proto.caffe_pb2 import FillerParameter


@register("Input")
class Input(Layer):
    """Tops that the caller fills, as Caffe's Input.

    Top: [i], of the i-th ``shape``, or all of the only one; without any, of the shape that the caller gives them.
    """

    bottoms = 0
    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shapes = self.layer_param.input_param.shape
        if len(shapes) not in (0, 1, len(top)):
            raise self.error(f"takes no shape, one, or one for each of its {len(top)} tops, got {len(shapes)}")
        for i, blob in enumerate(top):
            if shapes:
                blob.reshape(*shapes[i if len(shapes) > 1 else 0].dim)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Do nothing: the tops keep the shapes that the caller gives them."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Do nothing."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Do nothing."""


@register("DummyData")
class DummyData(Layer):
    """Tops that ``data_filler`` fills, as Caffe's DummyData: a constant filler in setup, others in each forward.

    Top: [i], of the i-th ``shape`` (or num, channels, height, width), or all of the only one, filled by
    the i-th filler, or all by the only one; without a filler they are zero.
    """

    bottoms = 0
    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.layer_param.dummy_data_param
        fillers = list(param.data_filler) or [FillerParameter(type="constant")]
        self._check_count("data_filler", len(fillers), len(top))
        self._fillers = fillers * len(top) if len(fillers) == 1 else fillers
        for i, filler in enumerate(self._fillers):
            try:
                FILLERS.get(filler.type)
            except ValueError as error:
                raise self.error(f"data_filler {i}: {error}") from None
        for blob, shape in zip(top, self._shapes(param, len(top))):
            blob.reshape(*shape)
        self._fill(top, constant=True)

    def _shapes(self, param: Any, tops: int) -> list[tuple[int, ...]]:
        old = [list(getattr(param, name)) for name in _OLD]
        if not any(old):
            self._check_count("shape", len(param.shape), tops)
            dims = [tuple(shape.dim) for shape in param.shape]
            return dims * tops if len(dims) == 1 else dims
        if param.shape:
            raise self.error(f"takes either shape or {', '.join(_OLD)}, not both")
        for name, sizes in zip(_OLD, old):
            self._check_count(name, len(sizes), tops)
        return list(zip(*(sizes * tops if len(sizes) == 1 else sizes for sizes in old)))

    def _check_count(self, name: str, found: int, tops: int) -> None:
        if found not in (1, tops):
            raise self.error(f"takes {name} once, or once for each of its {tops} tops, got {found}")

    def _fill(self, top: Sequence[Blob], constant: bool) -> None:
        for i, (blob, filler) in enumerate(zip(top, self._fillers)):
            if (filler.type == "constant") == constant:
                try:
                    (fill if self.fills else check_filler)(blob, filler)
                except ValueError as error:
                    raise self.error(f"top[{i}]: {error}") from error

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Do nothing: the tops keep the shapes that they were set up with, or that the caller gives them."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._fill(top, constant=False)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Do nothing."""


_OLD = ("num", "channels", "height", "width")


@register("Parameter")
class Parameter(Layer):
    """A learned blob as a top, as Caffe's Parameter.

    Learned: of ``shape``, zero at first. Top: [0], of ``shape``, in the learned blob's memory, gradient and all. The
    layer that reads the top replaces that gradient, so that a second backward does not add to it, as in Caffe.
    """

    bottoms = 0

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape = tuple(self.layer_param.parameter_param.shape.dim)
        make_learned_blobs(self, (shape, None), fits=same_or_legacy)
        top[0].reshape(*shape)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Do nothing: the shape is the learned blob's."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].share_data(self.blobs[0])
        top[0].share_diff(self.blobs[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Do nothing: the gradient is in the learned blob."""

"""What every native layer type is: Caffe's Layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

from caffe_pylayers._layer.quote import plain, quoted
from caffe_pylayers._nets.include_rules import title
from caffe_pylayers.runtime.files import blob_proto
from caffe_pylayers.runtime.memory import allocator
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.blob_vec import BlobVec
from caffe_pylayers.runtime.memory.limits import ShapeError
from caffe_pylayers.runtime.registry import Registry

Count = int | tuple[int, int | None]  # that many, or from .. to, None for no limit

LAYERS: Registry[Any] = Registry("layer type")
register = LAYERS.register


class LayerError(ValueError):
    """A layer refuses what it was given; the message names the layer, its type, the blob and the reason."""


class LayerMemoryError(MemoryError):
    """A layer needs memory that cannot be had; the message names the layer, its type, the method and the bytes."""


class Layer:
    """The base of the native layer types, registered by Caffe's name: ``@register("ReLU")``.

    A subclass overrides ``setup`` (once: parameters, learned blobs), ``reshape`` (before each
    forward whose bottom shapes changed: checks of shapes, shapes of the tops), ``forward`` and
    ``backward``. They take tensors from the blobs with read, write and update, and write gradients
    only where propagate_down says so, over what was there; learned blobs' gradients are added to.

    layer_param: the LayerParameter. blobs: the learned blobs, at first those that the LayerParameter gives
    values for, as in Caffe. phase: 0 TRAIN, 1 TEST.
    param_propagate_down: for each learned blob, whether its gradient is wanted; set by the net.
    """

    bottoms: ClassVar[Count] = 1
    tops: ClassVar[Count] = 1
    equal_counts: ClassVar[bool] = False  # as many tops as bottoms
    auto_tops: ClassVar[bool] = False  # the net adds tops that the prototxt leaves out
    reshapes_always: ClassVar[bool] = False  # reshape depends on more than the bottoms' shapes
    fills: bool = True  # False where only shapes are asked for: learned blobs and constant tops get no values

    def __init__(self, layer_param: Any, phase: int) -> None:
        self.layer_param = layer_param
        self.phase = phase
        self.name: str = layer_param.name
        self.type: str = layer_param.type
        self.blobs = BlobVec(self._given(i, stored) for i, stored in enumerate(layer_param.blobs))
        self.param_propagate_down: list[bool] = []

    def _given(self, index: int, stored: Any) -> Blob:
        try:
            blob = Blob(blob_proto.shape(stored))
            blob.data[...] = blob_proto.to_array(stored)
            if blob_proto.size(stored, "diff"):
                blob.diff[...] = blob_proto.to_array(stored, "diff")
        except ValueError as error:
            raise self.error(f"blobs[{index}]: {error}") from error
        except allocator.OutOfMemoryError as error:
            raise LayerMemoryError(f"{title(self)}: blobs[{index}]: {error}") from error
        return blob

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the parameters and make the learned blobs."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check the bottoms' shapes and give the tops theirs."""
        raise NotImplementedError

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Compute the tops."""
        raise NotImplementedError

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Compute the gradients asked for."""
        raise NotImplementedError

    @property
    def worker(self) -> Any:
        """The object whose reshape, forward and backward a net calls: this one, but for a Python layer."""
        return self

    def shown(self, blobs: Sequence[Blob]) -> Sequence[Any]:
        """The blobs as the worker is handed them."""
        return blobs

    def explain(self, error: Exception, method: str, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Raise what names this layer instead of an exception of the blobs or of memory; return for any other.

        error: what ``method``, one of the four, has raised.
        Raises LayerError for a shape that no blob can have, LayerMemoryError for memory that cannot be had.
        """
        if isinstance(error, ShapeError):
            raise self.error(f"{method}: {error}") from error
        shortage = allocator.shortage(error)
        if shortage and not isinstance(error, LayerMemoryError):
            raise LayerMemoryError(f"{title(self)}: {method}: {shortage}") from error

    def __repr__(self) -> str:
        return f"<{self.type} {quoted(self.name)}: {sum(blob.count for blob in self.blobs)} parameters>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise RuntimeError(f"{title(self)} cannot be copied or pickled: net.save(path) keeps its blobs")

    def error(self, message: str) -> LayerError:
        """A LayerError that starts with this layer's name and type, in one line."""
        return LayerError(f"{title(self)}: {plain(message)}")

    def check(self, condition: bool, message: str) -> None:
        """Raise the error unless the condition holds. The message is built by the caller: keep it cheap."""
        if not condition:
            raise self.error(message)

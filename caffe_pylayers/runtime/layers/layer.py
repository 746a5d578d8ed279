"""The base of the native layer types: Caffe's Layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

from caffe_pylayers._layer.quote import one_line, plain, quoted
from caffe_pylayers._nets.titles import title
from caffe_pylayers.runtime.files import blob_proto
from caffe_pylayers.runtime.memory import allocator
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.blob_vec import BlobVec
from caffe_pylayers.runtime.memory.limits import ShapeError
from caffe_pylayers.runtime.registry import Registry

Count = int | tuple[int, int | None]  # exactly so many, or the least and the most, None for no limit

LAYERS: Registry[Any] = Registry("layer type")
register = LAYERS.register


class LayerError(ValueError):
    """A layer refuses what it was given; the message names the layer, its type, the blob and the reason."""


class LayerMemoryError(MemoryError):
    """A layer needs memory that cannot be had; the message names the layer, its type, the method and the bytes."""


class LayerRuntimeError(RuntimeError):
    """A library beneath a native layer fails; the message names the layer, its type, the method and the reason."""


class Layer:
    """The base of the native layer types, registered by Caffe's name: ``@register("ReLU")``.

    A subclass overrides ``setup``, which is called once and makes the learned blobs; ``reshape``, called after it and
    before each forward whose bottoms have other shapes, which checks these and gives the tops theirs; ``forward`` and
    ``backward``. They take tensors from the blobs with read, write and update. Backward replaces the gradients of the
    bottoms that propagate_down asks for, and adds to those of the learned blobs.

    layer_param: the LayerParameter. phase: 0 TRAIN, 1 TEST.
    blobs: the learned blobs; before setup those whose values the LayerParameter gives, as in Caffe.
    param_propagate_down: for each learned blob, True if its gradient is wanted; set by the net.
    bottoms, tops: how many the type takes.
    """

    bottoms: ClassVar[Count] = 1
    tops: ClassVar[Count] = 1
    equal_counts: ClassVar[bool] = False  # True if there are as many tops as bottoms
    auto_tops: ClassVar[bool] = False  # True if the net adds tops that the prototxt leaves out
    reshapes_always: ClassVar[bool] = False  # True if reshape depends on more than the bottoms' shapes
    # False if backward reads no values of these, though it may of copies that forward has made.
    backward_reads_bottoms: bool = True
    backward_reads_tops: bool = True
    backward_leaves: ClassVar[Sequence[int]] = ()  # the bottoms whose gradients it never writes, even where wanted
    spends_top_diffs: bool = False  # True where nobody reads the tops' gradients after its backward; set by the net
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
        """Read the parameters and make the learned blobs; raise LayerError for what the type does not take."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check the bottoms' shapes and give the tops theirs; raise LayerError for shapes that do not fit."""
        raise NotImplementedError

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Write the tops."""
        raise NotImplementedError

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Write the gradients of the bottoms asked for, and add those of the learned blobs asked for.

        propagate_down: for each bottom, True if its gradient is wanted.
        """
        raise NotImplementedError

    @property
    def worker(self) -> Any:
        """The object whose reshape, forward and backward a net calls: the layer, or a Python layer's instance."""
        return self

    def shown(self, blobs: Sequence[Blob]) -> Sequence[Any]:
        """Return the blobs as the worker takes them."""
        return blobs

    def explain(self, error: Exception, method: str, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Raise an exception that names this layer for an ``error`` of the blobs or of memory; return for any other.

        method: the one of the four that raised it.
        Raises LayerError for a shape that no blob can have, LayerMemoryError for memory that cannot be had,
        LayerRuntimeError for a RuntimeError of PyTorch's in a native layer.
        """
        if isinstance(error, ShapeError):
            raise self.error(f"{method}: {error}") from error
        shortage = allocator.shortage(error)
        if shortage and not isinstance(error, LayerMemoryError):
            raise LayerMemoryError(f"{title(self)}: {method}: {shortage}") from error
        if isinstance(error, RuntimeError) and self.worker is self:
            raise LayerRuntimeError(f"{title(self)}: {method}: {one_line(str(error), 300)}") from error

    def __repr__(self) -> str:
        return f"<{self.type} {quoted(self.name)}: {sum(blob.count for blob in self.blobs)} parameters>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise RuntimeError(f"{title(self)} cannot be copied or pickled: net.save(path) keeps its blobs")

    def error(self, message: str) -> LayerError:
        """Return a LayerError that starts with this layer's name and type, in one line."""
        return LayerError(f"{title(self)}: {plain(message)}")

    def check(self, condition: bool, message: str) -> None:
        """Raise LayerError with the message unless the condition holds; the message is built even where it does."""
        if not condition:
            raise self.error(message)

"""A blob: an N-dimensional array of float32 values and their gradients."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import torch

from caffe_pylayers.runtime.memory.limits import Shape, ShapeError, check_shape
from caffe_pylayers.runtime.memory.memory import CONTIGUOUS, Memory

_shapes_versions = itertools.count(1)


class Blob:
    """Caffe's Blob, as pycaffe shows it, and as native layers use it.

    ``data`` and ``diff`` are NumPy arrays that are the blob's memory. Native layers work on tensors on the current
    device: ``read`` gives one to look at, ``write`` one to fill as a whole, ``update`` one to change in place; ``take``
    gives the blob one that is made already. ``read_diff``, ``write_diff``, ``update_diff`` and ``take_diff`` do the
    same with the gradients. The layout is Caffe's unless another is asked for. memory.py says who owns what.
    """

    shapes_version: ClassVar[int] = 0  # changes whenever the shape of any blob does
    # A solver's: takes the factors of the gradient left^T right, instead of the gradient; see solvers/early.py.
    learn: Callable[[torch.Tensor, torch.Tensor], object] | None = None

    def __init__(self, shape: Iterable[int] | None = None) -> None:
        self._shape: Shape = ()
        self._data = Memory(0)
        self._diff = Memory(0)
        if shape is not None:  # () is a scalar, with one value
            self.reshape(*shape)

    @property
    def shape(self) -> Shape:
        """The sizes of the axes."""
        return self._shape

    @property
    def count(self) -> int:
        """The number of values: the product of the sizes, but 0 before the first reshape, when the shape is ()."""
        return min(math.prod(self._shape), self._data.capacity)

    def reshape(self, *dims: int) -> None:
        """Change the shape. Values stay where they are unless there have never been as many: then all are zero."""
        capacity = min(self._data.capacity, self._diff.capacity)  # they differ where only one is shared
        try:
            if dims == self._shape and math.prod(dims) <= capacity:
                return
        except ValueError:  # an array among them, which check_shape refuses
            pass
        self._shape = check_shape(dims)
        Blob.shapes_version = next(_shapes_versions)
        count = math.prod(self._shape)
        if count > capacity:
            self._data, self._diff = Memory(count, self._data.shown), Memory(count, self._diff.shown)

    @property
    def data(self) -> Any:
        """The values, a float32 numpy array: the memory itself, to be read and written."""
        return self._data.array(self._shape)

    @property
    def diff(self) -> Any:
        """The gradients, a float32 numpy array: the memory itself, to be read and written."""
        return self._diff.array(self._shape)

    @property
    def tensor(self) -> torch.Tensor:
        """The values as a tensor on the current device: the memory itself. It gives DLPack access too."""
        return self._data.tensor(self._shape)

    @property
    def diff_tensor(self) -> torch.Tensor:
        """The gradients as a tensor on the current device: the memory itself."""
        return self._diff.tensor(self._shape)

    @property
    def _gpu_data_ptr(self) -> int:
        """The address of the values on the current device."""
        return self.tensor.data_ptr()

    @property
    def _gpu_diff_ptr(self) -> int:
        """The address of the gradients on the current device."""
        return self.diff_tensor.data_ptr()

    def read(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The values, not to be written to."""
        return self._data.read(self._shape, layout)

    def write(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """A tensor for the values, undefined until written to as a whole."""
        return self._data.write(self._shape, layout)

    def update(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The values, to be changed in place."""
        return self._data.update(self._shape, layout)

    def take(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> torch.Tensor | None:
        """Have a tensor's values, which its maker gives away; returns the memory that is the maker's instead.

        That is None where the blob had none, and ``values`` where they were copied.
        """
        return self._data.take(self._shaped(values), layout)

    def clear(self) -> None:
        """Set the values to zero. Before ``take`` it lets the new values have the memory of the old."""
        self._data.clear()

    def read_diff(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The gradients, not to be written to."""
        return self._diff.read(self._shape, layout)

    def write_diff(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """A tensor for the gradients, undefined until written to as a whole."""
        return self._diff.write(self._shape, layout)

    def update_diff(self, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The gradients, to be changed in place."""
        return self._diff.update(self._shape, layout)

    def take_diff(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> None:
        """Have a tensor's values as gradients, which its maker gives away."""
        self._diff.take(self._shaped(values), layout)

    def equal_diff(self, other: Blob, layout: str = CONTIGUOUS) -> None:
        """Have the gradients that the other has now, of the same shape; copied once either is written to."""
        self._diff.equal(other._diff, self._shape, layout)

    def own_diff(self) -> None:
        """Have gradients that ``equal_diff`` gave in a tensor that no other blob has."""
        self._diff.own()

    def add_diff(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> None:
        """Add a tensor's values, which its maker gives away, to the gradients."""
        self._diff.add(self._shaped(values), layout)

    def _shaped(self, values: torch.Tensor) -> torch.Tensor:
        """Return the tensor in the blob's shape; itself if it has that.

        Reshaped, a single channels-last image would have strides that PyTorch's kernels no longer take for such.
        """
        return values if values.shape == self._shape else values.reshape(self._shape)

    def clear_diff(self) -> None:
        """Set the gradients to zero. Before ``take_diff`` it lets the new ones have the memory of the old."""
        self._diff.clear()

    def give_back(self, refuse: Callable[[], object]) -> None:
        """Lose the values, and have their memory serve for others, unless somebody may hold an array of them.

        refuse: raises for who looks at them until they are written anew.
        """
        self._data.give_back(refuse)

    def give_back_diff(self, refuse: Callable[[], object]) -> None:
        """Do the same with the gradients."""
        self._diff.give_back(refuse)

    def compact(self) -> None:
        """Give the layouts back in which the values were once, unless somebody holds an array of them."""
        self._data.compact()

    def give_back_deferred_diff(self) -> None:
        """Until somebody looks at gradients that are deferred, have their memory serve for others."""
        self._diff.give_back_deferred()

    def defer_diff(self, other: Blob) -> None:
        """Have the other's values of now as gradients: copied when somebody first looks, or before they change."""
        layout = other.layout
        self._diff.defer(lambda: self.write_diff(layout).copy_(other.read(layout)), other._data)

    @property
    def version(self) -> int:
        """A number that changes whenever the values may have."""
        return self._data.version

    @property
    def data_id(self) -> int:
        """A number that blobs which share their values have in common."""
        return id(self._data)

    @property
    def diff_id(self) -> int:
        """A number that blobs which share their gradients have in common."""
        return id(self._diff)

    @property
    def layout(self) -> str:
        """The layout in which the values are now, to be read without conversion."""
        return self._data.layout(self._shape)

    @property
    def diff_layout(self) -> str:
        """The layout in which the gradients are now."""
        return self._diff.layout(self._shape)

    @property
    def diff_is_zero(self) -> bool:
        """True if all gradients are known to be zero: then ``write_diff`` does what ``update_diff`` would."""
        return self._diff.is_zero

    @property
    def diff_is_shown(self) -> bool:
        """True if somebody outside may hold an array of the gradients, which is kept as it is."""
        return self._diff.shown

    def share_data(self, other: Blob) -> None:
        """Have the other's values, in one memory; the counts agree."""
        self._check_count(other)
        self._data = other._data

    def share_diff(self, other: Blob) -> None:
        """Have the other's gradients, in one memory; the counts agree."""
        self._check_count(other)
        self._diff = other._diff

    def _check_count(self, other: Blob) -> None:
        if self.count != other.count:
            raise ShapeError(f"blobs of shapes {self._shape} and {other._shape} cannot share values")

    num = property(lambda self: self._legacy_shape(0), doc="The first size, 1 where there is none.")
    channels = property(lambda self: self._legacy_shape(1), doc="The second size, 1 where there is none.")
    height = property(lambda self: self._legacy_shape(2), doc="The third size, 1 where there is none.")
    width = property(lambda self: self._legacy_shape(3), doc="The fourth size, 1 where there is none.")

    def _legacy_shape(self, axis: int) -> int:
        if len(self._shape) > 4:
            raise ValueError(f"num, channels, height and width need 4 axes at most, got shape {self._shape}")
        return self._shape[axis] if axis < len(self._shape) else 1

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("a Blob cannot be copied or pickled: take blob.data.copy(), and write it to other.data[...]")

    def __repr__(self) -> str:
        return f"Blob{self._shape}"


@contextlib.contextmanager
def arrays_in_step(blobs: Iterable[Blob]) -> Iterator[list[Memory]]:
    """While net or solver compute within, see to the arrays held outside: before, as written to; after, up to date.

    Gives the memories of those that are held.
    """
    held = [memory for memory in shown(blobs) if memory.begin()]
    try:
        yield held
    finally:
        for memory in shown(blobs):
            memory.end()


@contextlib.contextmanager
def arrays_shown(memories: Iterable[Memory]) -> Iterator[None]:
    """While code that is not the net's runs within ``arrays_in_step``, have the arrays that it may hold be the blobs'.

    They are up to date before, and count as written to after.
    """
    for memory in memories:
        memory.end()
    try:
        yield
    finally:
        for memory in memories:
            memory.begin()


def shown(blobs: Iterable[Blob]) -> list[Memory]:
    """Return the memories of the blobs of which arrays have been handed out."""
    return [memory for blob in blobs for memory in (blob._data, blob._diff) if memory.shown]

"""One array of a blob in several representations, some of them current.

Caffe's SyncedMemory keeps a value on host and device and knows which copy is current; this one
also knows layouts. A layer asks for the representation that it computes best in; a value is
converted when it is read in another one than it was written in, and only then.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable
from typing import Any

import torch

from caffe_pylayers.runtime.memory import allocator, device
from caffe_pylayers.runtime.memory.limits import Shape, ShapeError

Key = tuple[torch.device, str]

CONTIGUOUS = "contiguous"  # N, C, H, W: Caffe's own
CHANNELS_LAST = "channels_last"  # N, H, W, C in memory; four axes only
HOST_KEY: Key = (device.HOST, CONTIGUOUS)

_versions = itertools.count(1)


class Memory:
    """``capacity`` float32 values, zero at first; each representation is allocated when it is first used.

    The array handed out by ``array`` is the host's contiguous representation itself. While
    anybody holds it, or a slice of it, that representation is the truth between two calls into
    the net: ``begin`` and ``end`` see to it.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._stores: dict[Key, torch.Tensor] = {}
        self._views: dict[Key, tuple[Shape, torch.Tensor]] = {}
        self._current: set[Key] = set()
        self._sole: Key | None = None  # the only current one
        self._shape: Shape = (capacity,)  # that the current channels-last values were written with
        self._owed: Callable[[], object] | None = None  # writes the values, once they are looked at
        self._cleared = False  # and they are zero
        self.version = 0  # another number says that the values may be others; no two memories have the same
        self._lent = False  # for good, as a tensor
        self._flat: Any = None  # the host's contiguous values as numpy's
        self.shown: Any = None  # the newest view of it, which somebody may hold

    def read(self, shape: Shape, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The values, not to be written to."""
        self._settle()
        key = (device.current(), layout)
        if key not in self._current or (layout == CHANNELS_LAST and shape != self._shape):
            self._convert(key, shape)
        return self._view(key, shape)

    def write(self, shape: Shape, layout: str = CONTIGUOUS) -> torch.Tensor:
        """A tensor to be written to as a whole; what it holds is undefined."""
        key = (device.current(), layout)
        self._own(key, shape)
        return self._view(key, shape)

    def owe(self, write: Callable[[], object]) -> None:
        """Have the values written by this call when they are first looked at; never, if they are replaced before."""
        self._owed, self._cleared = write, False

    def clear(self, shape: Shape, layout: str = CONTIGUOUS) -> None:
        """Set all values to zero."""
        self.owe(lambda: self.write(shape, layout).zero_())
        self._cleared = True

    def add(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> None:
        """Add a tensor's values, which its maker gives away."""
        if self._cleared:
            self.take(values, layout)
        else:
            self.update(tuple(values.shape), layout).add_(values)

    def take(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> None:
        """Have the values of a tensor that its maker gives away.

        In channels-last it becomes the representation, without a copy. The contiguous one may be
        held outside, as an array or a tensor: it stays the memory that it is.
        """
        shape = tuple(values.shape)
        if layout == CONTIGUOUS or not values.is_contiguous(memory_format=torch.channels_last):
            self.write(shape, layout).copy_(values)
            return
        key = (device.current(), layout)
        self._stores[key] = values.permute(0, 2, 3, 1).reshape(-1)
        self._views[key] = (shape, values)
        self._own(key, shape)

    def discard(self, layout: str) -> None:
        """Before ``take``: let go of the representation that it replaces, so that its memory serves for the new one."""
        if layout == CHANNELS_LAST:
            key = (device.current(), layout)
            self._owed, self._cleared = None, False
            self._stores.pop(key, None)
            self._views.pop(key, None)
            self._current.discard(key)
            self._sole = None

    def lend(self) -> None:
        """Keep the memory of all representations: there is no telling whether a tensor of it is still held."""
        self._lent = True

    def exchange(self, flat: torch.Tensor, shape: Shape) -> torch.Tensor | None:
        """Have the values that flat host memory begins with; gives the memory that is the caller's now, or None.

        The memory becomes the representation, without a copy, unless the one of now may be held outside.
        """
        held = self._lent or (self.shown is not None and self._held())
        if held or device.current() != device.HOST or flat.numel() < self.capacity:
            self.write(shape).copy_(flat[: math.prod(shape)].view(shape))
            return flat
        before = self._stores.get(HOST_KEY)
        self._stores[HOST_KEY] = flat
        self._views.pop(HOST_KEY, None)
        self._flat = self.shown = None
        self._own(HOST_KEY, shape)
        return before

    def update(self, shape: Shape, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The values, to be changed in place."""
        tensor = self.read(shape, layout)
        self._own((device.current(), layout), shape)
        return tensor

    def layout(self, shape: Shape) -> str:
        """The layout that costs no conversion to read."""
        here = {layout for place, layout in self._current if place == device.current()}
        return CHANNELS_LAST if here == {CHANNELS_LAST} and shape == self._shape else CONTIGUOUS

    def array(self, shape: Shape) -> Any:
        """The values as a numpy array, to be read and written."""
        if self._sole is HOST_KEY and self.shown is not None and self.shown.shape == shape and self._owed is None:
            self.version = next(_versions)  # the common case of a Python layer, made short
            return self.shown
        self._settle()
        if HOST_KEY not in self._current:
            self._convert(HOST_KEY, shape)
        self._own(HOST_KEY, shape)
        if self._flat is None:
            # numpy() makes the tensor its base, so that all views keep this very array alive.
            self._flat = self._store(HOST_KEY).numpy()
        if self.shown is None or self.shown.shape != shape:
            self.shown = self._flat[: self._count(shape)].reshape(shape)
        return self.shown

    def begin(self) -> None:
        """Before a call into the net: what is held outside may have been written to."""
        if self.shown is not None and self._held():
            self._own(HOST_KEY, self._shape)

    def end(self) -> None:
        """After a call into the net: what is held outside shows the values of now."""
        if self.shown is not None and self._held():
            self._settle()
            if HOST_KEY not in self._current:
                self._convert(HOST_KEY, self._shape)

    def _held(self) -> bool:
        # Two references to each are this object's and the call's own; the third to _flat is shown's.
        return sys.getrefcount(self.shown) > 2 or sys.getrefcount(self._flat) > 3

    def _settle(self) -> None:
        if self._owed is not None:
            self._owed()

    def _own(self, key: Key, shape: Shape) -> None:
        self.version = next(_versions)
        self._owed, self._cleared = None, False
        self._current, self._sole = {key}, key
        if key[1] == CHANNELS_LAST:
            self._shape = shape

    def _view(self, key: Key, shape: Shape) -> torch.Tensor:
        known = self._views.get(key)
        if known is not None and known[0] == shape:
            return known[1]
        count = self._count(shape)
        if self._store(key).numel() < count:  # a tensor taken as it was, and now there is room for more
            grown = allocator.zeros((self.capacity,), key[0])
            grown[: self._stores[key].numel()] = self._stores[key]
            self._stores[key] = grown
        flat = self._stores[key][:count]
        if key[1] == CHANNELS_LAST:
            n, c, h, w = shape
            view = flat.view(n, h, w, c).permute(0, 3, 1, 2)
        else:
            view = flat.view(shape)
        self._views[key] = (shape, view)
        return view

    def _count(self, shape: Shape) -> int:
        count = math.prod(shape)
        if count > self.capacity:  # only () of a blob that was never reshaped, whose count is 0
            raise ShapeError("a blob that was never reshaped has no values: call its reshape first")
        return count

    def _store(self, key: Key) -> torch.Tensor:
        if key not in self._stores:
            self._stores[key] = allocator.zeros((self.capacity,), key[0])
        return self._stores[key]

    def _convert(self, key: Key, shape: Shape) -> None:
        """Make a representation current beside those that are."""
        if not self._current:  # never written: all representations are zero
            self._store(key)
        elif key[1] == CHANNELS_LAST and self._stale_channels_last(shape):
            self._convert((key[0], CONTIGUOUS), self._shape)
            self._current = {k for k in self._current if k[1] == CONTIGUOUS}
            self._convert(key, shape)
            return
        else:
            source = self._nearest(key)
            written = self._shape if source[1] == CHANNELS_LAST else shape
            if key[1] == source[1] == CONTIGUOUS:
                self._store(key).copy_(self._store(source))
            else:
                self._view(key, written).copy_(self._view(source, written))
        self._current.add(key)
        self._sole = None
        if key[1] == CHANNELS_LAST:
            self._shape = shape

    def _stale_channels_last(self, shape: Shape) -> bool:
        return shape != self._shape and any(layout == CHANNELS_LAST for _, layout in self._current)

    def _nearest(self, key: Key) -> Key:
        """A current representation to convert from: on the same device if there is one."""
        return min(self._current, key=lambda k: (k[0] != key[0], k[1] != key[1]))

"""One array of a blob, its values or its gradients, in several representations of which some are current.

Caffe's SyncedMemory keeps an array on host and device and knows which copy is current; this one also knows layouts.
A layer asks for the representation that it computes best in. The values are converted when they are read in another
representation than they were written in, and only then.

Who owns what, and when something is a view or a copy:

- A Memory owns its representations, one tensor each. ``read``, ``write`` and ``update`` give views of one, for the
  layer's use until it returns: a later write may go to this tensor, to another representation or to a new tensor.
- ``take`` goes the other way: its caller gives a tensor away, and the tensor becomes the representation without a copy.
  The caller gets the one that it replaces and may write to that: so a data layer's thread and a blob exchange batches.
- ``array``, which is ``blob.data``, is a view of the host's contiguous representation, never a copy. Caffe's users keep
  such arrays, slices of them too, and expect them to show the blob's values for good. So while anybody outside holds
  one, that representation stays the memory that it is, and ``take`` copies into it. It is also the truth between two
  calls into the net: ``begin`` counts it as written to, ``end`` brings it up to date (``arrays_in_step`` calls both).
- ``tensor`` is the same for PyTorch and other libraries. It counts as held for good: there is no telling when it is
  dropped.
- Blobs that share values share a Memory, and see each other's writes at once. A blob that is reshaped beyond its
  capacity gets another Memory; arrays from before keep the old one, as in Caffe.
- Blobs that have equal values for a time share a tensor alone (``equal``): whoever writes first gets one of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from sys import getrefcount
from typing import Any
from weakref import WeakSet

import torch

from caffe_pylayers.runtime.memory import allocator, device
from caffe_pylayers.runtime.memory.limits import Shape, ShapeError

Key = tuple[torch.device, str]

CONTIGUOUS = "contiguous"  # N, C, H, W: Caffe's own
CHANNELS_LAST = "channels_last"  # N, H, W, C in memory; four axes only
HOST_KEY: Key = (device.HOST, CONTIGUOUS)
FEW = 1 << 18  # values up to which giving memory back and having it anew costs more time than the memory is worth

_versions = itertools.count(1)


class Memory:
    """``capacity`` float32 values, zero at first; a representation is allocated when it is first used.

    version: changes whenever the values may have; no two memories have the same.
    shown: True once an array or a tensor was handed out, which somebody may hold; or of the memory before this one.
    """

    def __init__(self, capacity: int, shown: bool = False) -> None:
        self.capacity = capacity
        self.version = 0
        self.shown = shown
        self._stores: dict[Key, torch.Tensor] = {}
        self._views: dict[Key, tuple[Shape, torch.Tensor]] = {}
        self._current: set[Key] = set()  # without any, the values are zero
        self._owners: dict[Key, WeakSet[Memory]] = {}  # of a tensor that was shared by ``equal``, this one among them
        self._shape: Shape = (capacity,)  # that the current channels-last values were written with
        self._deferred: Callable[[], object] | None = None  # writes the values, once they are looked at
        self._before_change: Callable[[], object] | None = None  # writes values elsewhere that are deferred, of these
        self._lent: Key | None = None  # the representation that ``tensor`` has handed out
        self._flat: Any = None  # the host's contiguous values as NumPy's
        self._array: Any = None  # the newest view of it
        self._unheld = math.inf  # the references to both while nobody outside holds any; math.inf where there are none
        self._only_array = False  # the values are those of the array, and of no other representation

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
        if self._owners:
            self._own(key, keep=math.prod(shape) < self.capacity)
        self._set_current(key, shape)
        return self._unwritten(key, shape)

    def update(self, shape: Shape, layout: str = CONTIGUOUS) -> torch.Tensor:
        """The values, to be changed in place."""
        key = (device.current(), layout)
        tensor = self.read(shape, layout)
        if self._owners and self._own(key, keep=True):
            tensor = self._view(key, shape)
        self._set_current(key, shape)
        return tensor

    def take(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> torch.Tensor | None:
        """Have the values of a float32 tensor that its maker gives away.

        Returns the memory that the caller may write to from now on: what the tensor replaces, None if that is nothing,
        or ``values`` if they were copied, because the representation is held outside or has room for more.
        """
        shape, key = tuple(values.shape), (device.current(), layout)
        self._write_what_follows()
        if not self._fits(values, key):
            self.write(shape, layout).copy_(values)
            return values
        if self._owners:
            self._own(key, keep=False)
        before = self._stores.get(key)
        if layout == CHANNELS_LAST:
            self._stores[key] = values.as_strided((values.numel(),), (1,))
        else:
            self._stores[key] = values.view(-1)
            if key == HOST_KEY:
                self._forget_array()
        self._views[key] = (shape, values)
        self._set_current(key, shape)
        return before

    def equal(self, other: Memory, shape: Shape, layout: str = CONTIGUOUS) -> None:
        """Have the values that the other memory has now; without a copy, unless somebody may hold one of the two."""
        if other is self:
            return
        key = (device.current(), layout)
        values = other.read(shape, layout)
        if self.shown or other.shown or self.capacity != other.capacity:
            self.write(shape, layout).copy_(values)
            return
        self._write_what_follows()
        self._drop(key)
        self._owners[key] = other._owners.setdefault(key, WeakSet([other]))
        self._owners[key].add(self)
        self._stores[key], self._views[key] = other._stores[key], (shape, values)
        self._set_current(key, shape)

    def own(self) -> None:
        """Have tensors that no other memory has."""
        for key in list(self._owners):
            self._own(key, keep=True)

    def add(self, values: torch.Tensor, layout: str = CONTIGUOUS) -> None:
        """Add a tensor's values, which its maker gives away."""
        if not self.is_zero:
            self.update(tuple(values.shape), layout).add_(values)
        else:
            self.take(values, layout)

    def clear(self) -> None:
        """Set all values to zero.

        What nobody outside can hold is given back, so that its memory serves for the tensor that ``take`` brings next.
        """
        self._write_what_follows()
        for key in [key for key in self._stores if key[1] == CHANNELS_LAST]:
            self._drop(key)
        self._set_current(None)

    def give_back(self, refuse: Callable[[], object]) -> None:
        """Lose the values, so that their memory serves for others: until they are written as a whole nobody may look.

        refuse: raises for who does, see given_back.py.
        Nothing happens where an array or a tensor was handed out, which somebody may hold.
        """
        if not self.shown and self.capacity:
            self._write_what_follows()
            for key in list(self._stores if self.capacity > FEW else self._owners):
                self._drop(key)
            self._set_current(None)
            self._deferred = refuse

    def give_back_deferred(self) -> None:
        """Give back the memory of values that are written once they are looked at, unless somebody may hold it."""
        if self._deferred is not None and not self.shown:
            for key in list(self._stores):
                self._drop(key)
            self._current = set()

    def compact(self) -> None:
        """Give back the representations that are not current, where one is, unless somebody holds one."""
        if len(self._stores) > 1 and self._current and not self._is_held():
            for key in [key for key in self._stores if key not in self._current]:
                self._drop(key)
                if key == HOST_KEY:
                    self._forget_array()

    def defer(self, write: Callable[[], object], source: Memory | None = None) -> None:
        """Have the values written by this call when they are first looked at; never, if they are replaced before.

        source: what they are made of, which they are written before it changes.
        """
        self._deferred, self._only_array = write, False
        if source is None:
            return
        if source._is_held():  # and may be written to at any time
            write()
            return

        def write_if_wanted() -> None:
            if self._deferred is write:
                write()

        source._before_change, source._only_array = write_if_wanted, False

    @property
    def is_zero(self) -> bool:
        """True if all values are known to be zero."""
        return not self._current and self._deferred is None

    def layout(self, shape: Shape) -> str:
        """The layout that costs no conversion to read."""
        here = {layout for place, layout in self._current if place == device.current()}
        return CHANNELS_LAST if here == {CHANNELS_LAST} and shape == self._shape else CONTIGUOUS

    # --- what is held outside -------------------------------------------------------------------

    def array(self, shape: Shape) -> Any:
        """The values as a NumPy array, to be read and written, and to be kept."""
        if self._only_array and self._array is not None and self._array.shape == shape:
            self.version = next(_versions)  # the common case of a Python layer, made short
            return self._array
        self._settle()
        if HOST_KEY not in self._current:
            self._convert(HOST_KEY, shape)
        if self._owners:
            self._own(HOST_KEY, keep=True)
        self._set_current(HOST_KEY)
        if self._array is None:
            self._flat = self._store(HOST_KEY).numpy()
            self._array = self._flat[: self._count(shape)].reshape(shape)
            self._unheld = getrefcount(self._array) + getrefcount(self._flat)
            self.shown = True
        elif self._array.shape != shape:
            self._array = self._flat[: self._count(shape)].reshape(shape)
        return self._array

    def tensor(self, shape: Shape) -> torch.Tensor:
        """The values as a tensor on the current device, to be read and written, and to be kept."""
        self._lent, self.shown = (device.current(), CONTIGUOUS), True
        return self.update(shape)

    def begin(self) -> bool:
        """Before a call into the net: what is held outside may have been written to. Returns whether anything is."""
        held = HOST_KEY if self._array_is_held() else self._lent
        if held is not None:
            self._set_current(held)
        return held is not None

    def end(self) -> None:
        """After a call into the net: what is held outside shows the values of now."""
        if self._array_is_held():
            self._show(HOST_KEY)
        if self._lent is not None:
            self._show(self._lent)

    def _show(self, key: Key) -> None:
        self._settle()
        if key not in self._current:
            self._convert(key, self._shape)

    def _array_is_held(self) -> bool:
        """True if anybody outside holds the array, or a view of any part of it.

        NumPy has all views, and views of views, refer to the one array that they are of: ``_flat``. So more references
        to the two than when they were new, and only this object had them, are somebody else's.
        """
        return getrefcount(self._array) + getrefcount(self._flat) > self._unheld

    def _is_held(self) -> bool:
        """True if anybody outside holds the array, or may hold a tensor."""
        return self._lent is not None or self._array_is_held()

    def _forget_array(self) -> None:
        """Let go of the array, which nobody outside holds."""
        self._flat = self._array = None
        self._unheld = math.inf

    def _fits(self, values: torch.Tensor, key: Key) -> bool:
        """True if a tensor can become this representation as it is."""
        if values.device != key[0]:
            return False
        if key[1] == CHANNELS_LAST:
            return values.is_contiguous(memory_format=torch.channels_last)
        held = key == self._lent or (key == HOST_KEY and self._array_is_held())
        return values.is_contiguous() and values.numel() == self.capacity and not held

    # --- the representations --------------------------------------------------------------------

    def _settle(self) -> None:
        if self._deferred is not None:
            self._deferred()

    def _write_what_follows(self) -> None:
        """Before these values change: have those written that are deferred, and made of them."""
        if self._before_change is not None:
            write, self._before_change = self._before_change, None
            write()

    def _set_current(self, key: Key | None, shape: Shape = ()) -> None:
        """Make a representation the only current one, to be written to; None for none, where all values are zero."""
        if self._before_change is not None:
            self._write_what_follows()
        self.version = next(_versions)
        self._deferred = None
        self._current = set() if key is None else {key}
        self._only_array = key == HOST_KEY
        if key is not None and key[1] == CHANNELS_LAST:
            self._shape = shape

    def _unwritten(self, key: Key, shape: Shape) -> torch.Tensor:
        """A view that is to be written to as a whole."""
        if key not in self._stores and math.prod(shape) == self.capacity:
            self._stores[key] = allocator.empty((self.capacity,), key[0])
        return self._view(key, shape)

    def _view(self, key: Key, shape: Shape) -> torch.Tensor:
        known = self._views.get(key)
        if known is not None and known[0] == shape:
            return known[1]
        count = self._count(shape)
        if self._store(key).numel() < count:  # a tensor taken as it was, and now there is room for more
            grown = allocator.zeros((self.capacity,), key[0])
            grown[: self._stores[key].numel()] = self._stores[key]
            self._drop(key)
            self._stores[key] = grown
        store = self._stores[key]
        if key[1] == CHANNELS_LAST:
            _, c, h, w = shape
            view = store.as_strided(shape, (h * w * c, 1, w * c, c))
        else:
            view = store.view(shape) if store.numel() == count else store[:count].view(shape)
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

    def _drop(self, key: Key) -> None:
        """Give a representation's tensor back, or leave it to those who have it too."""
        self._stores.pop(key, None)
        self._views.pop(key, None)
        owners = self._owners.pop(key, None)
        if owners is not None:
            owners.discard(self)

    def _own(self, key: Key, keep: bool) -> bool:
        """Before a representation is written to: leave a tensor that others have, too, to them; True if so.

        keep: have a copy of it, as only part of it may be written.
        """
        owners = self._owners.get(key, ())
        if len(owners) < 2:
            return False
        self._write_what_follows()
        store = self._stores[key]
        self._drop(key)
        if keep:
            self._stores[key] = store.clone()
        return True

    def _convert(self, key: Key, shape: Shape) -> None:
        """Make a representation current beside those that are."""
        if self._owners and key not in self._current:
            self._own(key, keep=False)
        if not self._current:
            if key in self._stores:
                self._stores[key].zero_()
            else:
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
                self._unwritten(key, written).copy_(self._view(source, written))
        self._current.add(key)
        self._only_array = False
        if key[1] == CHANNELS_LAST:
            self._shape = shape

    def _stale_channels_last(self, shape: Shape) -> bool:
        return shape != self._shape and any(layout == CHANNELS_LAST for _, layout in self._current)

    def _nearest(self, key: Key) -> Key:
        """A current representation to convert from: on the same device if there is one."""
        return min(self._current, key=lambda k: (k[0] != key[0], k[1] != key[1]))

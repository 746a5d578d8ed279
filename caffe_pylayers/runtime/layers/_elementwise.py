"""The base of elementwise layers, Caffe's NeuronLayer; scratch memory, and the layout of several operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from caffe_pylayers.runtime.layers.layer import Layer
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST, CONTIGUOUS

_scratch: dict[tuple[torch.device, torch.dtype], torch.Tensor] = {}


def scratch(count: int, device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return ``count`` undefined values, the caller's until the next call: all layers share one memory.

    So it is warm in the processor's cache.
    """
    pool = _scratch.get((device, dtype))
    if pool is None or pool.numel() < count:
        pool = _scratch[device, dtype] = torch.empty(count, dtype=dtype, device=device)
    return pool[:count]


def scratch_like(x: torch.Tensor) -> torch.Tensor:
    """Return scratch of the shape and layout of x, a dense float32 tensor."""
    return scratch(x.numel(), x.device).as_strided(x.shape, x.stride())


def float32(value: float) -> float:
    """Round a product of parameters to float32, which Caffe computes in: infinity where it is beyond its range."""
    return torch.tensor(value, dtype=torch.float32).item()


def layout_of(blobs: Sequence[Blob]) -> str:
    """Return the layout in which to read several blobs, of one number of axes: channels-last if any of them is."""
    return CHANNELS_LAST if any(blob.layout == CHANNELS_LAST for blob in blobs) else CONTIGUOUS


def diff_layout_of(blobs: Sequence[Blob]) -> str:
    """Return the layout in which to read several blobs' gradients, as layout_of does for values."""
    return CHANNELS_LAST if any(blob.diff_layout == CHANNELS_LAST for blob in blobs) else CONTIGUOUS


def refuse_in_place(layer: Layer, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
    """Raise LayerError if a top is a bottom: for layers that read a bottom after they have written a top."""
    if any(blob is other for blob in top for other in bottom):
        raise layer.error("cannot work in place: its tops must have other names than its bottoms")


def refuse_gradient_in_place(layer: Layer, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
    """Raise LayerError if a top is a bottom: for layers whose backward, but not forward, needs both."""
    if any(blob is other for blob in top for other in bottom):
        raise layer.error("has no gradient in place: where it learns, its top must have another name than its bottom")


class Neuron(Layer):
    """y = f(x) for each value: a subclass computes f in ``value`` and its gradient in ``gradient``.

    Bottom: [0] any shape. Top: [0] the same; may be the bottom: backward then reads y where it wants x, as in Caffe.
    """

    from_top: ClassVar[bool] = False  # True if gradient takes y instead of x

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.in_place = top[0] is bottom[0]
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        layout = bottom[0].layout
        self.value(bottom[0].read(layout), top[0].write(layout))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            layout = top[0].diff_layout
            kept = top[0] if self.from_top else bottom[0]
            self.gradient(kept.read(layout), top[0].read_diff(layout), bottom[0].write_diff(layout))

    def value(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Write f(x) to y, which is x where the layer works in place."""
        raise NotImplementedError

    def gradient(self, kept: torch.Tensor, d_y: torch.Tensor, d_x: torch.Tensor) -> None:
        """Write the gradient of x to d_x, which is d_y where the layer works in place.

        kept: x, or y with ``from_top``.
        """
        raise NotImplementedError

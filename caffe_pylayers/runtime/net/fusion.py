"""Runs of layers that work in place on one blob, computed in fewer passes over memory than one by one.

A run leaves in the blobs what its layers would, values and gradients; what they have in between is
overwritten in Caffe, too. A net computes by runs where all of their layers are asked for, and by
single layers where some are, or where somebody wants to be called between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch

from caffe_pylayers.runtime.layers.activation import ReLU
from caffe_pylayers.runtime.layers.convolution import Convolution
from caffe_pylayers.runtime.layers.normalization import BatchNorm
from caffe_pylayers.runtime.layers.scale import Scale
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST

if TYPE_CHECKING:
    from caffe_pylayers.runtime.net.graph import Step


class Part(Protocol):
    """What a net computes one after the other: a step, or a run of steps."""

    @property
    def steps(self) -> Sequence[Step]:
        """The steps that it is."""

    @property
    def losses(self) -> Sequence[Blob]:
        """The tops that have a loss weight."""

    def run_forward(self) -> None:
        """Reshape and compute the tops."""

    def run_backward(self) -> None:
        """Compute the gradients that are wanted."""


class NormalRun:
    """BatchNorm over the batch, with the Scale and the ReLU that follow."""

    losses: Sequence[Blob] = ()

    def __init__(self, normal: Step, scale: Step | None, relu: Step | None) -> None:
        self.steps = [step for step in (normal, scale, relu) if step is not None]
        self._layer: Any = normal.layer
        self._normal, self._scale, self._relu = normal, scale, relu
        self._learned = [] if scale is None else scale.layer.blobs
        self._blob = normal.bottom[0]
        self._x = torch.empty(0)  # the bottom's values, until backward

    def run_forward(self) -> None:
        if self._layer.layout != CHANNELS_LAST:  # the only layout in which a blob's values can be exchanged
            for step in self.steps:
                step.run_forward()
            return
        for step in self.steps:
            step.reshape()
            step.run = self
        self._x = self._blob.give(CHANNELS_LAST)
        y = torch.empty_like(self._x)
        self._layer.normalize(self._x, y, *(blob.read() for blob in self._learned))
        if self._relu is not None:
            y.clamp_(min=0)
        self._blob.take(y, CHANNELS_LAST)

    def run_backward(self) -> None:
        if self._normal.run is not self:
            for step in reversed(self.steps):
                step.run_backward()
            return
        d_y = self._blob.update_diff(CHANNELS_LAST)
        if self._relu is not None and self._relu.backward:
            torch.ops.aten.threshold_backward.grad_input(d_y, self._blob.read(CHANNELS_LAST), 0, grad_input=d_y)
        learns = self._scale is not None and self._scale.backward
        wanted = [learns and flag for flag in self._scale.layer.param_propagate_down] if self._scale else []
        down = self._normal.backward and self._normal.propagate_down[0]
        weight = self._learned[0].read() if self._learned else None
        d_x, *d_learned = self._layer.normalize_backward(d_y, self._x, weight, [down, *wanted])
        for blob, flag, values in zip(self._learned, wanted, d_learned):
            if flag:
                blob.add_diff(values)
        if down:
            self._blob.take_diff(d_x, CHANNELS_LAST)

    def part(self) -> None:
        """Give the layers what each of them keeps for a backward of its own."""
        normal = self._layer.keep(self._x)
        if self._scale is not None:
            self._scale.layer.keep(normal)  # type: ignore[attr-defined]
        for step in self.steps:
            step.run = None


class FrozenRun:
    """BatchNorm by learned statistics, with what is around it, where nothing is to be learned: a factor and a shift.

    A Convolution before it takes them into its weights.
    """

    losses: Sequence[Blob] = ()

    def __init__(self, convolution: Step | None, normal: Step, scale: Step | None, relu: Step | None) -> None:
        self.steps = [step for step in (convolution, normal, scale, relu) if step is not None]
        self._convolution, self._normal, self._relu = convolution, normal, relu
        self._learned = [] if scale is None else scale.layer.blobs
        self._sources = [blob for step in self.steps for blob in step.layer.blobs]
        self._versions: list[Any] = []

    def run_forward(self) -> None:
        for step in self.steps:
            step.reshape()
        self._prepare()
        blob = self._normal.bottom[0]
        if self._convolution is not None:
            layer: Any = self._convolution.layer
            layer.convolve(self._convolution.bottom, [blob], self._weight, self._shift)
        else:
            layout = blob.layout
            y = blob.update(layout)
            shape = (1, -1, *[1] * (y.dim() - 2))
            torch.addcmul(self._shift.view(shape), y, self._factor.view(shape), out=y)
        if self._relu is not None:
            blob.update(blob.layout).clamp_(min=0)

    def run_backward(self) -> None:
        """Nothing: nothing is wanted."""

    def _prepare(self) -> None:
        """Compute the factor and the shift, and the weights with them, if anything they depend on has changed."""
        blob = self._normal.bottom[0]
        versions = [device.current(), blob.shape, *(source.version for source in self._sources)]
        if versions == self._versions:
            return
        self._versions = versions
        mean, factor = self._normal.layer.learned_statistics()  # type: ignore[attr-defined]
        scale, bias = [*(blob.read() for blob in self._learned), None, None][:2]
        self._factor = factor if scale is None else factor * scale
        self._shift = -mean * self._factor if bias is None else bias - mean * self._factor
        if self._convolution is not None:
            layer: Any = self._convolution.layer
            weight, *own_bias = (blob.read() for blob in layer.blobs)
            self._weight = layer.pack(weight * self._factor.view(-1, *[1] * (weight.dim() - 1)))
            if own_bias:
                self._shift += own_bias[0] * self._factor


def find_parts(steps: Sequence[Step]) -> list[Part]:
    """The steps in order, with runs for those that can be computed together."""
    parts: list[Part] = []
    at = 0
    while at < len(steps):
        step = steps[at]
        if not (isinstance(step.layer, BatchNorm) and _in_place(step, step) and len(step.bottom[0].shape) == 4):
            parts.append(step)
            at += 1
            continue
        scale = _follows(steps, at + 1, step, Scale)
        if scale is not None and not scale.layer.by_channel:  # type: ignore[attr-defined]
            scale = None
        relu = _follows(steps, at + 1 + (scale is not None), step, ReLU)
        if relu is not None and relu.layer.slope:  # type: ignore[attr-defined]
            relu = None
        together = [found for found in (step, scale, relu) if found is not None]
        at += len(together)
        if not step.layer.by_learned_statistics:
            parts.append(NormalRun(step, scale, relu))
        elif any(found.backward for found in together):
            parts.extend(together)
        else:
            parts.append(FrozenRun(_convolution(parts, step), step, scale, relu))
    return parts


def _in_place(step: Step, on: Step) -> bool:
    return step.bottom_ids == step.top_ids == on.top_ids and not step.losses


def _follows(steps: Sequence[Step], at: int, on: Step, kind: type) -> Step | None:
    """The step at this place, if it is a layer of this kind that works in place on the same blob."""
    found = at < len(steps) and type(steps[at].layer) is kind and _in_place(steps[at], on)
    return steps[at] if found else None


def _convolution(parts: list[Part], on: Step) -> Step | None:
    """The Convolution that the blob comes from, taken from the end of the parts."""
    last = parts[-1].steps[-1] if parts else None
    if (
        last is None
        or type(last.layer) is not Convolution
        or last.top_ids != on.top_ids
        or last.backward
        or last.losses
    ):
        return None
    parts.pop()
    return last

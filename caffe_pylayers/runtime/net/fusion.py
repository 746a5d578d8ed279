"""Fusion: layers that end in one blob, all but the first in place, computed together in fewer passes over memory.

After a fused unit the blobs hold the same values and gradients as after its layers one by one; those in between are
overwritten in Caffe as well. A net runs fused units when it runs as a whole, and single layers when it runs some of
them, calls back in between, or logs each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.layers import _kernels
from caffe_pylayers.runtime.layers.activation import ReLU
from caffe_pylayers.runtime.layers.convolution import Convolution
from caffe_pylayers.runtime.layers.normalization import BatchNorm
from caffe_pylayers.runtime.layers.scale import Scale, scale_and_shift
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST
from caffe_pylayers.runtime.net.step import Step, Unit


class FusedNormalization:
    """BatchNorm over the batch, with the Scale and the ReLU that follow.

    Computed together, the layers save no activations for their own backward: ``unfuse`` does that before one of them
    runs alone.

    normal, scale, relu: their steps, the latter two None where the layer is missing.
    """

    losses: Sequence[Blob] = ()

    def __init__(self, normal: Step, scale: Step | None, relu: Step | None) -> None:
        self.steps = [step for step in (normal, scale, relu) if step is not None]
        self._layer: Any = normal.layer
        self._normal, self._scale, self._relu = normal, scale, relu
        self._learned = [] if scale is None else scale.layer.blobs
        self._blob = normal.bottom[0]
        self._x = torch.empty(0)  # the values that the last forward normalized

    def run_forward(self) -> None:
        try:
            self._forward()
        except Exception as error:
            self._normal.explain(error, "forward")
            raise

    def run_backward(self) -> None:
        try:
            self._backward()
        except Exception as error:
            self._normal.explain(error, "backward")
            raise

    def _forward(self) -> None:
        if self._layer.layout != CHANNELS_LAST:  # the only layout in which take replaces what forward still reads
            for step in self.steps:
                step.run_forward()
            return
        for step in self.steps:
            step.reshape()
            step.fused = self
        self._x = self._blob.read(CHANNELS_LAST)  # stays as it is: ``take`` below gives the blob other memory
        y = torch.empty_like(self._x)
        self._layer.normalize(self._x, y, *(blob.read() for blob in self._learned))
        if self._relu is not None:
            y.clamp_(min=0)
        self._blob.take(y, CHANNELS_LAST)

    def _backward(self) -> None:
        if self._normal.fused is not self:
            for step in reversed(self.steps):
                step.run_backward()
            return
        if self._relu is not None and self._relu.backward:
            d_y = self._blob.update_diff(CHANNELS_LAST)
            _kernels.relu_backward(d_y, self._blob.read(CHANNELS_LAST), d_y)
        else:
            d_y = self._blob.read_diff(CHANNELS_LAST)
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

    def forget(self) -> None:
        self._x = torch.empty(0)
        for step in self.steps:
            step.fused = None

    def unfuse(self) -> None:
        """Hand each layer its saved activations, so that it can run backward alone."""
        normal = self._layer.save_for_backward(self._x)
        if self._scale is not None:
            self._scale.layer.save_for_backward(normal)  # type: ignore[attr-defined]
        for step in self.steps:
            step.fused = None


class FoldedNormalization:
    """BatchNorm by learned statistics, with the Scale and the ReLU that follow, where no gradient is wanted.

    BatchNorm and Scale together are y = factor x + shift for each channel; with a Convolution before them, on whose top
    BatchNorm works in place, its weights are multiplied by the factor.

    convolution, normal, scale, relu: their steps, None where the layer is missing.
    """

    losses: Sequence[Blob] = ()

    def __init__(self, convolution: Step | None, normal: Step, scale: Step | None, relu: Step | None) -> None:
        self.steps = [step for step in (convolution, normal, scale, relu) if step is not None]
        self._convolution, self._normal, self._relu = convolution, normal, relu
        self._x, self._y = normal.bottom[0], normal.top[0]
        self._learned = [] if scale is None else scale.layer.blobs
        self._sources = [blob for step in self.steps for blob in step.layer.blobs]
        self._versions: list[Any] = []

    def run_forward(self) -> None:
        try:
            self._forward()
        except Exception as error:
            (self._convolution or self._normal).explain(error, "forward")
            raise

    def run_backward(self) -> None:
        """Do nothing: no gradient is wanted."""

    def forget(self) -> None:
        """Do nothing: nothing is kept."""

    def _forward(self) -> None:
        for step in self.steps:
            step.reshape()
        self._prepare()
        if self._convolution is not None:
            layer: Any = self._convolution.layer
            layer.convolve(self._convolution.bottom, [self._y], self._weight, self._shift)
        else:
            layout = self._x.layout
            x, shape = self._x.read(layout), (1, -1, 1, 1)
            scale_and_shift(x, self._factor.view(shape), self._shift.view(shape), self._y.write(layout))
        if self._relu is not None:
            self._y.update(self._y.layout).clamp_(min=0)

    def _prepare(self) -> None:
        """Compute the factor, the shift and the weights, if a learned blob, the shape or the device has changed."""
        versions = [device.current(), self._x.shape, *(source.version for source in self._sources)]
        if versions == self._versions:
            return
        self._versions = versions
        mean, factor = self._normal.layer.learned_statistics()  # type: ignore[attr-defined]
        scale, *bias = (blob.read() for blob in self._learned) if self._learned else (1.0,)
        self._factor = factor * scale
        self._shift = -mean * self._factor
        for own in bias:
            self._shift += own
        if self._convolution is not None:
            layer: Any = self._convolution.layer
            weight, *bias = (blob.read() for blob in layer.blobs)
            self._weight = layer.pack(weight * self._factor.view(-1, *[1] * (weight.dim() - 1)))
            for own in bias:
                self._shift += own * self._factor


def fuse(steps: Sequence[Step]) -> list[Unit]:
    """Return the steps of a net in order, with those that can be computed together as one unit."""
    units: list[Unit] = []
    at = 0
    while at < len(steps):
        step = steps[at]
        if not _can_start(step):
            units.append(step)
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
        if not step.layer.by_learned_statistics:  # type: ignore[attr-defined]
            units.append(FusedNormalization(step, scale, relu))
        elif any(found.backward for found in together):
            units.extend(together)
        else:
            units.append(FoldedNormalization(_convolution(units, step), step, scale, relu))
    return units


def _can_start(step: Step) -> bool:
    """True if the step is a BatchNorm of maps, by learned statistics where it doesn't work in place."""
    layer = step.layer
    if not isinstance(layer, BatchNorm) or len(step.bottom[0].shape) != 4 or step.losses:
        return False
    return layer.by_learned_statistics or _in_place(step, step)


def _in_place(step: Step, on: Step) -> bool:
    """True if the step works in place, on the blob that ``on`` writes, and none of its tops is a loss."""
    return step.bottom_ids == step.top_ids == on.top_ids and not step.losses


def _follows(steps: Sequence[Step], at: int, on: Step, kind: type) -> Step | None:
    """Return steps[at] if it is a layer of this kind that works in place on the blob that ``on`` writes, else None."""
    found = at < len(steps) and type(steps[at].layer) is kind and _in_place(steps[at], on)
    return steps[at] if found else None


def _convolution(units: list[Unit], on: Step) -> Step | None:
    """Remove the last unit and return its step if it is a Convolution, without backward, of the blob of ``on``."""
    last = units[-1].steps[-1] if units else None
    if (
        last is None
        or type(last.layer) is not Convolution
        or last.top_ids != on.top_ids
        or last.backward
        or last.losses
    ):
        return None
    units.pop()
    return last

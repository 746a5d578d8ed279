"""A layer in a net: with the blobs that it reads and writes, and the gradients that a backward asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from caffe_pylayers.runtime.layers.layer import Layer
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.device import current


class Unit(Protocol):
    """The unit in which a net computes: a step, or several steps fused."""

    @property
    def steps(self) -> Sequence[Step]:
        """The steps of the unit, in order."""

    @property
    def losses(self) -> Sequence[Blob]:
        """The tops that have a loss weight."""

    def run_forward(self) -> None:
        """Reshape and compute the tops."""

    def run_backward(self) -> None:
        """Compute the gradients that the steps are asked for."""

    def forget(self) -> None:
        """After a backward: let go of what a forward kept for it."""


class Fused(Protocol):
    """Several steps that were computed together and can be taken apart again."""

    def unfuse(self) -> None:
        """Hand each layer its saved activations, so that it can run backward alone."""


@dataclass
class Step:
    """A layer of a net with its blobs.

    bottom_ids, top_ids: the indices of its blobs in the graph.
    weights: the loss weight of each top, 0 where there is none. losses: the tops that have one.
    backward: True if the net's backward runs this layer's. propagate_down: for each bottom, True if its gradient is
        wanted.
    fused: the unit that ran the last forward of this layer with others'; None if the layer ran alone.

    Every method raises what the layer raises, with the layer's name: see Layer.explain.
    """

    layer: Layer
    bottom_ids: list[int]
    top_ids: list[int]
    bottom: list[Blob]
    top: list[Blob]
    weights: list[float] = field(default_factory=list)
    losses: list[Blob] = field(default_factory=list)
    backward: bool = False
    propagate_down: list[bool] = field(default_factory=list)
    fused: Fused | None = None
    # The shapes of the bottoms and tops, and the device, after the last reshape. A top that a caller has reshaped
    # since gets its shape back.
    _shapes: list[tuple[int, ...]] = field(default_factory=list)
    _device: torch.device | None = None
    _shapes_version = -1  # when the shapes were last compared

    @property
    def steps(self) -> Sequence[Step]:
        """The step itself, which is a unit of its own."""
        return (self,)

    def setup(self) -> None:
        """Set the layer up and reshape the tops."""
        layer = self.layer
        try:
            layer.setup(self.bottom, self.top)
        except Exception as error:
            self.explain(error, "setup")
            raise
        self.worker, self._bottom, self._top = layer.worker, layer.shown(self.bottom), layer.shown(self.top)
        # What backward writes to these it may read again as the top's gradient, as some layers do in Caffe.
        self._in_place = [blob for blob in self.top if any(blob is bottom for bottom in self.bottom)]
        self.reshape()

    def reshape(self, always: bool = False) -> None:
        """Reshape the tops if a shape or the device has changed since the last time, or ``always``."""
        always = always or self.layer.reshapes_always or self._device is not current()
        if not always and self._shapes_version == Blob.shapes_version:
            return
        if always or self._shapes != self._shapes_now():
            try:
                self.worker.reshape(self._bottom, self._top)
            except Exception as error:
                self.explain(error, "reshape")
                raise
        version = Blob.shapes_version
        self._shapes, self._device, self._shapes_version = self._shapes_now(), current(), version

    def _shapes_now(self) -> list[tuple[int, ...]]:
        return [blob.shape for blobs in (self.bottom, self.top) for blob in blobs]

    def run_forward(self) -> None:
        """Reshape and compute the tops."""
        if self.fused is not None:
            self.fused.unfuse()
        method = "reshape"
        try:
            if self.layer.reshapes_always:  # a call less: real Caffe calls a Python layer in a microsecond
                self.worker.reshape(self._bottom, self._top)
            else:
                self.reshape()
            method = "forward"
            self.worker.forward(self._bottom, self._top)
        except Exception as error:
            self.explain(error, method)
            raise

    def run_backward(self) -> None:
        """Compute the gradients that are wanted."""
        if self.fused is not None:
            self.fused.unfuse()
        if not self.backward:
            return
        for blob in self._in_place:
            blob.own_diff()
        try:
            self.worker.backward(self._top, self.propagate_down[:], self._bottom)
        except Exception as error:
            self.explain(error, "backward")
            raise

    def forget(self) -> None:
        """Do nothing: what a layer keeps is its own."""

    def explain(self, error: Exception, method: str) -> None:
        """Raise the layer's own exception instead of one of the blobs or of memory; see Layer.explain."""
        self.layer.explain(error, method, self.bottom, self.top)

"""Gradients of one net, averaged over the processes that train it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.parallel.group import Group
from caffe_pylayers.runtime.solvers import foreach

# Bytes that go on their way together: fewer wait longer for the network's answer, more leave less to overlap.
BUCKET = 25 << 20


class Gradients:
    """Replaces the gradients of a net's learned blobs by their mean over a group, bucket by bucket.

    layers: the learned blobs of each of the net's layers, none of them twice. What is complete may be sent before the
    rest is: ``layer_done``; ``finish`` sends what is left, and waits.
    """

    def __init__(self, group: Group, layers: Sequence[Sequence[Blob]]) -> None:
        self._group = group
        self._buckets = [_Bucket(blobs) for blobs in _split(layers)]
        self._bucket_of = {id(blob): bucket for bucket in self._buckets for blob in bucket.blobs}
        self._layers = layers

    def layer_done(self, layer: int) -> None:
        """Say that a layer's gradients are complete in this process."""
        for blob in self._layers[layer]:
            bucket = self._bucket_of[id(blob)]
            bucket.missing -= 1
            if not bucket.missing:
                bucket.send(self._group)

    def finish(self) -> None:
        """Have the means in the blobs' gradients."""
        for bucket in self._buckets:
            if bucket.work is None:
                bucket.send(self._group)
        for bucket in self._buckets:
            bucket.receive(self._group)


class _Bucket:
    """Gradients that are summed as one tensor."""

    def __init__(self, blobs: list[Blob]) -> None:
        self.blobs = blobs
        self.missing = len(blobs)
        self.work: Any = None
        self._diffs: list[torch.Tensor] = []
        self._sums = torch.empty(0)

    def send(self, group: Group) -> None:
        # Flattened in Caffe's order, whatever the layout is in this process.
        self._diffs = [blob.update_diff(blob.diff_layout) for blob in self.blobs]
        self._sums = torch.cat([diff.reshape(-1) for diff in self._diffs])
        self.work = group.sum(self._sums)

    def receive(self, group: Group) -> None:
        group.finish(self.work)
        self._sums.div_(group.count)
        parts = torch.split(self._sums, [diff.numel() for diff in self._diffs])
        foreach.copy_(self._diffs, [part.view(diff.shape) for part, diff in zip(parts, self._diffs)])
        self.work, self.missing, self._diffs = None, len(self.blobs), []


def _split(layers: Sequence[Sequence[Blob]]) -> Iterator[list[Blob]]:
    """Yield the blobs in buckets, in the order in which a backward pass completes them."""
    bucket: list[Blob] = []
    for blobs in reversed(layers):
        for blob in blobs:
            bucket.append(blob)
            if 4 * sum(one.count for one in bucket) >= BUCKET:
                yield bucket
                bucket = []
    if bucket:
        yield bucket

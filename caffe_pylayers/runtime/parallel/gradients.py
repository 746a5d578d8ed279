"""Gradients of one net, averaged over the processes that train it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from caffe_pylayers.runtime.memory.blob import Blob, arrays_in_step
from caffe_pylayers.runtime.parallel.group import Group
from caffe_pylayers.runtime.solvers import foreach

# Bytes that go on their way together: fewer wait longer for the network's answer, more leave less to overlap.
BUCKET = 25 << 20


class Gradients:
    """Replaces the gradients of a net's learned blobs by their mean over a group, bucket by bucket.

    layers: the learned blobs of each of the net's layers; one that several share with the first of them, whose backward
    is the last to add to it.

    In an iteration: ``begin``, then ``layer_done`` as its backward passes go, which sends what is complete, then
    ``finish``. Each process sends the buckets in the same order, once: in an iteration that fails before ``finish``,
    what is on its way counts for the next one, since the others have it.

    complete: called before the last bucket is sent.
    bucket: its bytes, about.
    """

    def __init__(
        self,
        group: Group,
        layers: Sequence[Sequence[Blob]],
        complete: Callable[[], None] = lambda: None,
        bucket: int = BUCKET,
    ) -> None:
        self._group, self._complete = group, complete
        self._blobs = [blob for blobs in layers for blob in blobs]
        self._buckets = [_Bucket(layer, blobs) for layer, blobs in split(layers, bucket)]
        self._sent = 0  # buckets on their way
        self._passes = 0  # until the gradients are complete

    def begin(self, passes: int) -> None:
        """Begin an iteration of so many backward passes."""
        self._passes = passes
        sent = self._buckets[: self._sent]
        self._group.finish([work for bucket in sent for work in bucket.sums()])
        for bucket in sent:
            bucket.keep()

    def layer_done(self, layer: int) -> None:
        """Say that a backward pass is through with this layer and those after it."""
        if self._passes == 1:
            self._send(layer)
        if layer == 0:
            self._passes -= 1

    def finish(self) -> None:
        """Have the means in the blobs' gradients. The host waits once, for all sums, when everything is on its way."""
        with arrays_in_step(self._blobs):
            self._send(0)
            self._group.finish([work for bucket in self._buckets for work in bucket.sums()])
            for bucket in self._buckets:
                bucket.receive(self._group.count)
        self._sent = self._passes = 0

    def _send(self, layer: int) -> None:
        for bucket in self._buckets[self._sent :]:
            if bucket.layer < layer:
                break
            if bucket is self._buckets[-1]:
                self._complete()
            bucket.send(self._group)
            self._sent += 1


class _Bucket:
    """Gradients that are summed as one tensor, in Caffe's order, whatever their layout is in this process.

    layer: the first whose blobs are among them; they are complete when its backward is.
    """

    def __init__(self, layer: int, blobs: Sequence[Blob]) -> None:
        self.layer = layer
        self._blobs = blobs
        self._memory = torch.empty(0)
        self._sums = self._memory
        self._work: Any = None

    def send(self, group: Group) -> None:
        """Begin to sum the gradients."""
        diffs = [blob.update_diff(blob.diff_layout) for blob in self._blobs]
        if len(diffs) == 1 and diffs[0].is_contiguous() and not self._blobs[0].diff_is_shown:
            self._sums = diffs[0].view(-1)
        else:
            if not self._memory.numel() or self._memory.device != diffs[0].device:
                self._memory = diffs[0].new_empty(sum(diff.numel() for diff in diffs))
            self._sums = self._memory
            foreach.copy_(self._parts(diffs), diffs)
        self._work = group.sum(self._sums)

    def sums(self) -> list[Any]:
        """Return what is on its way, once: the caller waits for it."""
        works = [] if self._work is None else [self._work]
        self._work = None
        return works

    def keep(self) -> None:
        """Have the sums, which are there, in memory of their own: other gradients come before they are received."""
        if self._sums is not self._memory:
            self._sums = self._sums.clone()

    def receive(self, count: int) -> None:
        """Have the means in the gradients, of the sums, which are there, over so many processes."""
        self._sums.div_(count)
        diffs = [blob.write_diff(blob.diff_layout) for blob in self._blobs]
        if diffs[0].data_ptr() != self._sums.data_ptr():
            foreach.copy_(diffs, self._parts(diffs))
        self._sums = self._memory

    def _parts(self, diffs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the part of the sums that is each gradient's."""
        parts = torch.split(self._sums, [diff.numel() for diff in diffs])
        return [part.view(diff.shape) for part, diff in zip(parts, diffs)]


def split(layers: Sequence[Sequence[Blob]], size: int = BUCKET) -> Iterator[tuple[int, list[Blob]]]:
    """Yield the blobs in buckets, in the order in which a backward pass completes them, each with its first layer.

    A blob of a bucket's size is sent alone, from where it is; what is complete before it does not wait for it.
    """
    bucket: list[Blob] = []
    first = 0
    for layer, blobs in reversed(list(enumerate(layers))):
        large = [blob for blob in blobs if _bytes([blob]) >= size]
        if bucket and (large or _bytes(bucket) >= size):
            yield first, bucket
            bucket = []
        for blob in large:
            yield layer, [blob]
        if len(blobs) > len(large):
            bucket += [blob for blob in blobs if blob not in large]
            first = layer
    if bucket:
        yield first, bucket


def _bytes(blobs: Sequence[Blob]) -> int:
    return 4 * sum(blob.count for blob in blobs)

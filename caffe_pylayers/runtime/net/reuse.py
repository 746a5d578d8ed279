"""Memory of a net's blobs that is given back while the net runs, for those blobs that come after to have.

A layer's forward makes values that no layer reads beyond some point, at the latest when the backward of all its readers
is done; gradients are done with as soon as the layer that they are of has run backward. memory/plan.py finds these
points from who reads and writes what. PyTorch's kernels make their results in memory of their own choice, which is what
was given back last: so the blobs get no places in a common block, but each its time.

What cannot be computed anew, or is looked at from outside, is kept:
- values that no layer of the net computes from others: of data layers, of inputs that a script fills;
- outputs and losses, with the gradients that weigh these;
- all blobs that a Python layer reads or writes, which may count on what it has left there;
- any memory of which an array or tensor has been handed out: it stays what it is for good, as in ``blob.data``.
Whoever asks for an array of other blobs gets an error, not what they held once: see Memory.give_back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers.runtime.layers.python_layer import PythonLayer
from caffe_pylayers.runtime.memory import allocator
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.given_back import refusal
from caffe_pylayers.runtime.memory.plan import Call, last_uses
from caffe_pylayers.runtime.net.step import Step, Unit

GiveBack = Callable[[], None]


class Reuse:
    """What each layer of a net is the last to use.

    steps: of the net. names: of its blobs, by their indices. outputs: the blobs that no layer reads.
    backward: whether a backward follows each forward.
    """

    def __init__(self, steps: Sequence[Step], names: Sequence[str], outputs: Sequence[Blob], backward: bool) -> None:
        self._rounds = allocator.Rounds()
        calls = [_forward(step) for step in steps]
        if backward:
            calls += [_backward(step) for step in reversed(steps)]
        # A blob that was reshaped beyond its capacity has another memory: so it is the blob that is asked, each time.
        owner: dict[int, GiveBack] = {}
        for step in steps:
            for i, blob in zip((*step.bottom_ids, *step.top_ids), (*step.bottom, *step.top)):
                of_blob = f"of blob {quoted(names[i])}"
                owner.setdefault(blob.data_id, partial(blob.give_back, refusal(f"the values {of_blob}")))
                owner.setdefault(blob.diff_id, partial(blob.give_back_diff, refusal(f"the gradients {of_blob}")))
        free = last_uses(calls, list(_kept(steps, outputs)))
        after_forward, after_backward = free[: len(steps)], free[len(steps) :]
        self._forward = {id(step): [owner[i] for i in found] for step, found in zip(steps, after_forward)}
        self._backward = {id(step): [owner[i] for i in found] for step, found in zip(reversed(steps), after_backward)}
        for step, found in zip(reversed(steps), after_backward):
            step.layer.spends_top_diffs = all(blob.diff_id in found for blob in step.top)

    def after_forward(self, unit: Unit) -> None:
        """Give back what a unit, which has run forward, was the last to use."""
        for step in unit.steps:
            for give_back in self._forward[id(step)]:
                give_back()

    def after_backward(self, unit: Unit) -> None:
        """Give back what a unit, which has run backward, was the last to use."""
        unit.forget()
        for step in unit.steps:
            for give_back in self._backward.get(id(step), ()):
                give_back()

    def end(self) -> None:
        """After a whole backward, of which the first makes PyTorch's kernels: what is left between is given back."""
        self._rounds.done()


def _forward(step: Step) -> Call:
    return Call(reads=[blob.data_id for blob in step.bottom], writes=[blob.data_id for blob in step.top if step.bottom])


def _backward(step: Step) -> Call:
    if not step.backward:
        return Call()
    layer, reads = step.layer, [blob.diff_id for blob in step.top]
    if layer.backward_reads_bottoms:
        reads += [blob.data_id for blob in step.bottom]
    if layer.backward_reads_tops:
        reads += [blob.data_id for blob in step.top]
    written = [wanted and i not in layer.backward_leaves for i, wanted in enumerate(step.propagate_down)]
    return Call(reads, [blob.diff_id for blob, is_written in zip(step.bottom, written) if is_written])


def _kept(steps: Sequence[Step], outputs: Sequence[Blob]) -> Iterator[int]:
    """Give the memories that stay as they are."""
    blobs = list(outputs)
    for step in steps:
        blobs += step.losses
        if isinstance(step.layer, PythonLayer) or not step.bottom:
            blobs += [*step.bottom, *step.top]
    for blob in blobs:
        yield blob.data_id
        yield blob.diff_id

"""The run of a net's layers, forward and backward, and what comes between them: callbacks, log, memory given back."""

from __future__ import annotations

import contextlib
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from caffe_pylayers.runtime.layers._kernels import without_graphs
from caffe_pylayers.runtime.layers.python_layer import PythonLayer
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import arrays_in_step, arrays_shown, shown
from caffe_pylayers.runtime.net import debug_info
from caffe_pylayers.runtime.net.graph import Graph
from caffe_pylayers.runtime.net.late_checks import LateChecks
from caffe_pylayers.runtime.net.reuse import Reuse
from caffe_pylayers.runtime.net.step import Unit
from caffe_pylayers.runtime.process import log_once
from caffe_pylayers.runtime.proto.caffe_pb2 import Phase

Callback = Callable[[int], None]


class Run:
    """The layers of a graph, to be run in order. title: of its net, in messages.

    before_forward, after_forward, before_backward, after_backward: functions of a layer's index. One with a true
    attribute ``by_unit`` is called once for layers that are computed together, with the first's index; any other has
    each layer computed by itself.
    late: the checks of values on a GPU, which are settled in the next forward if not before.
    """

    def __init__(self, graph: Graph, title: str) -> None:
        self.before_forward: list[Callback] = []
        self.after_forward: list[Callback] = []
        self.before_backward: list[Callback] = []
        self.after_backward: list[Callback] = []
        self.late = LateChecks()
        self._graph = graph
        self._title = title
        self._blobs = (*graph.blobs, *graph.parameters.learnable)
        starts = itertools.accumulate((len(unit.steps) for unit in graph.units), initial=0)
        self._numbered_units: list[tuple[int, Unit]] = list(zip(starts, graph.units))
        self._numbered_steps: list[tuple[int, Unit]] = list(enumerate(graph.steps))
        self._python = {i for i, step in enumerate(graph.steps) if isinstance(step.layer, PythonLayer)}
        self._reuse: Reuse | None = None

    def forward(self, first: int, last: int, debug: bool) -> Any:
        """Run layers first to last and return the sum of their weighted losses, on a GPU as a scalar that is there.

        debug: whether each layer logs means of its blobs.

        Raises RuntimeError for a net without layers, IndexError for layers that it lacks, and what a layer raises.
        """
        loss: Any = None
        reuse, names, context = self._reuse, self._graph.names, without_graphs()
        on_host = device.current() == device.HOST
        collected = contextlib.nullcontext() if on_host else self.late.collect()
        with arrays_in_step(self._blobs) as held, collected:
            for i, unit in self._units(first, last, debug):
                for callback in self.before_forward:
                    self._call(callback, i)
                if not on_host:
                    self.late.at(unit.steps[0])
                self._compute(i, unit.run_forward, held, context)
                for blob in unit.losses:
                    values, weights = blob.read(), blob.read_diff()
                    term: Any = values.ravel() @ weights.ravel() if blob.shape else values * weights
                    term = float(term) if on_host else term
                    loss = term if loss is None else loss + term
                if debug:
                    log_once(*debug_info.forward_lines(unit.steps[0], names))
                for callback in self.after_forward:
                    self._call(callback, i)
                if reuse is not None:
                    reuse.after_forward(unit)
        return 0.0 if loss is None else loss

    def backward(self, first: int, last: int, debug: bool) -> None:
        """Run the layers that need it backward, from the higher index first to last. Raises as forward does."""
        reuse, names, context = self._reuse, self._graph.names, without_graphs()
        with arrays_in_step(self._blobs) as held:
            for i, unit in reversed(self._units(last, first, debug)):
                for callback in self.before_backward:
                    self._call(callback, i)
                self._compute(i, unit.run_backward, held, context)
                if debug and unit.steps[0].backward:
                    log_once(*debug_info.backward_lines(unit.steps[0], names))
                for callback in self.after_backward:
                    self._call(callback, i)
                if reuse is not None:
                    reuse.after_backward(unit)
        if reuse is not None and (first, last) == (len(self._numbered_steps) - 1, 0):
            reuse.end()

    def _compute(self, i: int, compute: Callable[[], None], held: Any, context: Any) -> None:
        """Run a unit, forward or backward. i: the index of its first layer. held: the memories of arrays held outside.

        context: makes one for native layers.

        A Python layer may look at these arrays, and differentiate; a native one does neither.
        """
        if i not in self._python:
            with context():
                compute()
        elif held:
            with arrays_shown(held):
                compute()
        else:
            compute()

    def clear_gradients(self) -> None:
        """Set the gradients of all learned blobs to zero."""
        learnable = self._graph.parameters.learnable
        with arrays_in_step(learnable):
            for blob in learnable:
                blob.clear_diff()
                if self._reuse is not None:
                    blob.compact()

    def reuse_memory(self, backward: bool) -> None:
        """Give memory of blobs back from now on; see reuse.py. backward: whether a backward follows each forward."""
        graph = self._graph
        self._reuse = Reuse(graph.steps, graph.names, [graph.blobs[i] for i in graph.outputs], backward)

    def callbacks(self) -> list[Callback]:
        """Return all callbacks."""
        return [*self.before_forward, *self.after_forward, *self.before_backward, *self.after_backward]

    def _call(self, callback: Callback, layer: int) -> None:
        if _is_by_unit(callback):  # no script's
            callback(layer)
        else:
            with arrays_shown(shown(self._blobs)):
                callback(layer)

    def _units(self, first: int, last: int, debug: bool) -> Sequence[tuple[int, Unit]]:
        """Return the units of layers first to last, each with the index of its first layer."""
        count = len(self._numbered_steps)
        if not count:
            raise RuntimeError(
                f"{self._title} has no layers in phase {Phase.Name(self._graph.phase)}: there is nothing to run"
            )
        first, last = operator.index(first), operator.index(last)
        if first < 0 or not 0 <= last < count:
            raise IndexError(f"layers {first} to {last}: the net has layers 0 to {count - 1}")
        whole = first == 0 and last == count - 1
        if whole and not debug and all(map(_is_by_unit, self.callbacks())):
            return self._numbered_units
        return self._numbered_steps[first : last + 1]


def _is_by_unit(callback: Callback) -> bool:
    return getattr(callback, "by_unit", False)

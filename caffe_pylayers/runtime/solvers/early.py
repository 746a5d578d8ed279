"""Updates of large learned blobs while the net still runs backward, so that their gradients do not wait for the others.

Once a layer has run backward, the gradient of its weight is complete, and nothing reads the weight any more: so it is
updated then, and the gradient's memory is given back. An InnerProduct's weight needs none: its gradient is a product of
two smaller matrices, which is added to what the solver remembers at once. The numbers are those of updates at the end,
but for rounding, and the gradients' arrays hold afterwards what has been subtracted, as ever.

Not so where something wants all gradients at once, or one before it is used: clipping, iter_size, other processes,
callbacks, debug_info. Nor on a GPU, where values are checked only at the end of the backward.

An iteration that fails between two updates leaves weights that are those of none, and ``torn`` says so. Python layers,
whose errors people mend and go on from, have run backward before the first update.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from caffe_pylayers.runtime.layers.python_layer import PythonLayer
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.solvers.update import Group

if TYPE_CHECKING:
    from caffe_pylayers.runtime.solvers.solver import Solver

LARGE = 1 << 18  # values of a blob: from here on its memory is worth a call of its own


class EarlyUpdates:
    """Which groups of a solver are updated early: those of the blobs ``large``, each alone in its group.

    torn: True while an iteration that has failed after its first update is the last.
    """

    by_unit = True  # see Net.after_backward

    def __init__(self, solver: Solver, groups: Sequence[Group], large: Sequence[int]) -> None:
        self.torn = False
        self._solver, self._active = solver, False
        self._done: set[Group] = set()
        blobs = {id(solver.net.learnable[i]) for i in large}
        of_blob = {id(group.blobs[0]): group for group in groups if id(group.blobs[0]) in blobs}
        self._groups = list(of_blob.values())
        self._of_layer = [
            [of_blob[id(blob)] for blob in step.layer.blobs if id(blob) in of_blob] for step in solver.net.steps
        ]
        solver.net.after_backward(self)

    def run(self, forward_backward: Callable[[], Any]) -> Any:
        """Return what a forward and backward of the net returns; update the groups within it, if that can be."""
        self._done = set()
        if not self._can_run():
            return forward_backward()
        self._rate, _ = self._solver.next_rate()
        self._active = True
        for group in self._groups:
            group.blobs[0].learn = functools.partial(self._learn, group)
        try:
            loss = forward_backward()
            self.torn = False
            return loss
        except BaseException:
            self.torn = self.torn or bool(self._done)
            raise
        finally:
            self._active = False
            for group in self._groups:
                group.blobs[0].learn = None

    def finish(self) -> set[Group]:
        """Return the groups that the last ``run`` has updated, once."""
        done, self._done = self._done, set()
        return done

    def __call__(self, layer: int) -> None:
        """Update the blobs of a layer that has run backward; the net calls this."""
        if self._active:
            for group in self._of_layer[layer]:
                if group not in self._done:
                    self._done.add(group)
                    group.load()
                    self._solver.update(group, *self._rates(group))
                    group.give_back_diffs()

    def _learn(self, group: Group, left: torch.Tensor, right: torch.Tensor) -> None:
        """Update a group by the factors of its gradient; its layer calls this."""
        self._done.add(group)
        self._solver.learn(group, *self._rates(group), left, right)
        group.give_back_diffs()

    def _rates(self, group: Group) -> tuple[float, float]:
        return self._rate * group.lr_mult, self._solver.param.weight_decay * group.decay_mult

    def _can_run(self) -> bool:
        solver, param = self._solver, self._solver.param
        whole = param.iter_size > 1 or param.clip_gradients >= 0 or solver.net.debug_info or solver.is_called_back
        on_host = device.current() == device.HOST
        return not whole and on_host and solver.updates_early() and solver.net.is_called_back_by(self)


def large_blobs(net: Net) -> list[int]:
    """Return which of the net's learnable blobs can be updated early: large ones that learn, and one layer has."""
    shared = net.shared_parameters
    number = {id(blob): i for i, blob in enumerate(net.learnable)}
    found = []
    for i, step in enumerate(net.steps):
        layer, backward = step.layer, step.backward
        if isinstance(layer, PythonLayer) and backward:
            break  # the layers above it run backward before it
        for j, (blob, wanted) in enumerate(zip(layer.blobs, layer.param_propagate_down)):
            if backward and wanted and blob.count >= LARGE and (i, j) not in shared:
                found.append(number[id(blob)])
    return found

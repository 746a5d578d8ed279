"""Nesterov's accelerated gradient: Caffe's NesterovSolver."""

from __future__ import annotations

from caffe_pylayers.runtime.solvers import foreach
from caffe_pylayers.runtime.solvers.sgd import SGDSolver
from caffe_pylayers.runtime.solvers.solver import SOLVERS
from caffe_pylayers.runtime.solvers.update import Group


@SOLVERS.register("Nesterov")
class NesterovSolver(SGDSolver):
    """h' = momentum * h + rate * g, w -= (1 + momentum) * h' - momentum * h

    The step equals momentum * h' + rate * g, and is computed so. g: the gradient with the decay.
    history: h.

    Y. Nesterov, A method of solving a convex programming problem with convergence rate O(1/k²), 1983.
    """

    type = "Nesterov"

    def compute_update(self, group: Group, rate: float) -> None:
        (history,) = group.history
        foreach.mul_(group.diff, rate)
        foreach.mul_(history, self.param.momentum)
        foreach.add_(history, group.diff)
        foreach.add_(group.diff, history, alpha=self.param.momentum)

"""Adaptive subgradients: Caffe's AdaGradSolver."""

from __future__ import annotations

from caffe_pylayers.runtime.solvers import foreach
from caffe_pylayers.runtime.solvers.sgd import SGDSolver
from caffe_pylayers.runtime.solvers.solver import SOLVERS
from caffe_pylayers.runtime.solvers.update import Group


@SOLVERS.register("AdaGrad")
class AdaGradSolver(SGDSolver):
    """h += g², w -= rate * g / (sqrt(h) + delta)

    g: the gradient with the decay. history: h. Refuses momentum, as Caffe does.

    J. Duchi, E. Hazan, Y. Singer, Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization, 2011.
    """

    type = "AdaGrad"

    def compute_update(self, group: Group, rate: float) -> None:
        (history,), scratch = group.history, group.scratch()
        foreach.addcmul_(history, group.diff, group.diff)
        foreach.copy_(scratch, history)
        foreach.sqrt_(scratch)
        foreach.add_(scratch, self.param.delta)
        foreach.div_(group.diff, scratch)
        foreach.mul_(group.diff, rate)

"""Adaptive subgradients: Caffe's AdaGradSolver."""

from __future__ import annotations

import torch

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
        torch._foreach_addcmul_(history, group.diff, group.diff)
        torch._foreach_copy_(scratch, history)
        torch._foreach_sqrt_(scratch)
        torch._foreach_add_(scratch, self.param.delta)
        torch._foreach_div_(group.diff, scratch)
        torch._foreach_mul_(group.diff, rate)

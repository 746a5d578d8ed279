"""Steps from running moments of the gradient: Caffe's AdamSolver."""

from __future__ import annotations

import math

import torch

from caffe_pylayers.runtime.solvers.solver import SOLVERS, Solver
from caffe_pylayers.runtime.solvers.update import Group


@SOLVERS.register("Adam")
class AdamSolver(Solver):
    """m = momentum * m + (1 - momentum) * g
    v = momentum2 * v + (1 - momentum2) * g²
    w -= rate * sqrt(1 - momentum2^t) / (1 - momentum^t) * m / (sqrt(v) + delta), t = iteration + 1

    g: the gradient with the decay. history: m of all learned blobs, then v of all.

    D. Kingma, J. Ba, Adam: A Method for Stochastic Optimization, 2014; delta is its epsilon hat.
    """

    type = "Adam"
    histories = 2

    def check_param(self) -> None:
        if self.param.momentum == 1:
            raise self.error("momentum must not be 1 with Adam, which divides by 1 - momentum^t")

    def compute_update(self, group: Group, rate: float) -> None:
        (mean, square), scratch = group.history, group.scratch()
        beta1, beta2 = self.param.momentum, self.param.momentum2
        t = self.iter + 1
        correction = math.sqrt(1 - beta2**t) / (1 - beta1**t)
        torch._foreach_mul_(mean, beta1)
        torch._foreach_add_(mean, group.diff, alpha=1 - beta1)
        torch._foreach_mul_(square, beta2)
        torch._foreach_addcmul_(square, group.diff, group.diff, value=1 - beta2)
        torch._foreach_copy_(scratch, square)
        torch._foreach_sqrt_(scratch)
        torch._foreach_add_(scratch, self.param.delta)
        torch._foreach_copy_(group.diff, mean)
        torch._foreach_div_(group.diff, scratch)
        torch._foreach_mul_(group.diff, rate * correction)

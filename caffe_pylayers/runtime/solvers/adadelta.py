"""Steps scaled by the steps before: Caffe's AdaDeltaSolver."""

from __future__ import annotations

import torch

from caffe_pylayers._nets.solver_rules import HISTORIES
from caffe_pylayers.runtime.solvers.sgd import SGDSolver
from caffe_pylayers.runtime.solvers.solver import SOLVERS
from caffe_pylayers.runtime.solvers.update import Group


@SOLVERS.register("AdaDelta")
class AdaDeltaSolver(SGDSolver):
    """a = momentum * a + (1 - momentum) * g²
    u = g * sqrt((b + delta) / (a + delta))
    b = momentum * b + (1 - momentum) * u²
    w -= rate * u

    g: the gradient with the decay. history: a of all learned blobs, then b of all.

    M. Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012.
    """

    type = "AdaDelta"
    histories = HISTORIES["AdaDelta"]

    def compute_update(self, group: Group, rate: float) -> None:
        (gradients, steps), ratio, divisor = group.history, group.scratch(0), group.scratch(1)
        momentum, delta = self.param.momentum, self.param.delta
        torch._foreach_mul_(gradients, momentum)
        torch._foreach_addcmul_(gradients, group.diff, group.diff, value=1 - momentum)
        torch._foreach_copy_(ratio, steps)
        torch._foreach_add_(ratio, delta)
        torch._foreach_copy_(divisor, gradients)
        torch._foreach_add_(divisor, delta)
        torch._foreach_div_(ratio, divisor)
        torch._foreach_sqrt_(ratio)
        torch._foreach_mul_(group.diff, ratio)
        torch._foreach_mul_(steps, momentum)
        torch._foreach_addcmul_(steps, group.diff, group.diff, value=1 - momentum)
        torch._foreach_mul_(group.diff, rate)

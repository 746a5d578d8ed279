"""Gradients over their running root mean square: Caffe's RMSPropSolver."""

from __future__ import annotations

import torch

from caffe_pylayers.runtime.solvers.sgd import SGDSolver
from caffe_pylayers.runtime.solvers.solver import SOLVERS
from caffe_pylayers.runtime.solvers.update import Group


@SOLVERS.register("RMSProp")
class RMSPropSolver(SGDSolver):
    """h = rms_decay * h + (1 - rms_decay) * g², w -= rate * g / (sqrt(h) + delta)

    g: the gradient with the decay. history: h. Refuses momentum, as Caffe does.

    T. Tieleman, G. Hinton, Lecture 6.5: divide the gradient by a running average of its recent
    magnitude, 2012.
    """

    type = "RMSProp"

    def compute_update(self, group: Group, rate: float) -> None:
        (history,), scratch = group.history, group.scratch()
        torch._foreach_mul_(history, self.param.rms_decay)
        torch._foreach_addcmul_(history, group.diff, group.diff, value=1 - self.param.rms_decay)
        torch._foreach_copy_(scratch, history)
        torch._foreach_sqrt_(scratch)
        torch._foreach_add_(scratch, self.param.delta)
        torch._foreach_div_(group.diff, scratch)
        torch._foreach_mul_(group.diff, rate)

"""Gradients over their running root mean square: Caffe's RMSPropSolver."""

from __future__ import annotations

from caffe_pylayers.runtime.solvers import foreach
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
        foreach.mul_(history, self.param.rms_decay)
        foreach.addcmul_(history, group.diff, group.diff, value=1 - self.param.rms_decay)
        foreach.copy_(scratch, history)
        foreach.sqrt_(scratch)
        foreach.add_(scratch, self.param.delta)
        foreach.div_(group.diff, scratch)
        foreach.mul_(group.diff, rate)

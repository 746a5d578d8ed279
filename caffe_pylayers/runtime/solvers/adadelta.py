"""Steps scaled by the steps before: Caffe's AdaDeltaSolver."""

from __future__ import annotations

from caffe_pylayers._nets.solver_rules import HISTORIES
from caffe_pylayers.runtime.solvers import foreach
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
        foreach.mul_(gradients, momentum)
        foreach.addcmul_(gradients, group.diff, group.diff, value=1 - momentum)
        foreach.copy_(ratio, steps)
        foreach.add_(ratio, delta)
        foreach.copy_(divisor, gradients)
        foreach.add_(divisor, delta)
        foreach.div_(ratio, divisor)
        foreach.sqrt_(ratio)
        foreach.mul_(group.diff, ratio)
        foreach.mul_(steps, momentum)
        foreach.addcmul_(steps, group.diff, group.diff, value=1 - momentum)
        foreach.mul_(group.diff, rate)

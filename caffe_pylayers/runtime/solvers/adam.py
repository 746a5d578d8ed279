"""Steps from running moments of the gradient: Caffe's AdamSolver."""

from __future__ import annotations

import numpy as np

from caffe_pylayers._nets.solver_rules import HISTORIES
from caffe_pylayers.runtime.solvers import foreach
from caffe_pylayers.runtime.solvers.sgd import SGDSolver
from caffe_pylayers.runtime.solvers.solver import SOLVERS
from caffe_pylayers.runtime.solvers.update import Group


@SOLVERS.register("Adam")
class AdamSolver(SGDSolver):
    """m = momentum * m + (1 - momentum) * g
    v = momentum2 * v + (1 - momentum2) * g²
    w -= rate * sqrt(1 - momentum2^t) / (1 - momentum^t) * m / (sqrt(v) + delta), t = iteration + 1

    g: the gradient with the decay. history: m of all learned blobs, then v of all.

    D. Kingma, J. Ba, Adam: A Method for Stochastic Optimization, 2014; delta is its epsilon hat.
    """

    type = "Adam"
    histories = HISTORIES["Adam"]

    def compute_update(self, group: Group, rate: float) -> None:
        (mean, square), scratch = group.history, group.scratch()
        beta1, beta2 = self.param.momentum, self.param.momentum2
        correction = self._correction(self.iter + 1)
        foreach.mul_(mean, beta1)
        foreach.add_(mean, group.diff, alpha=1 - beta1)
        foreach.mul_(square, beta2)
        foreach.addcmul_(square, group.diff, group.diff, value=1 - beta2)
        foreach.copy_(scratch, square)
        foreach.sqrt_(scratch)
        foreach.add_(scratch, self.param.delta)
        foreach.copy_(group.diff, mean)
        foreach.div_(group.diff, scratch)
        foreach.mul_(group.diff, rate * correction)

    def _correction(self, t: int) -> float:
        """sqrt(1 - momentum2^t) / (1 - momentum^t). As in C++, a power beyond float64 is infinite, not an error."""
        with np.errstate(all="ignore"):
            power, power2 = np.array([self.param.momentum, self.param.momentum2], np.float64) ** t
            return float(np.sqrt(1 - power2) / (1 - power))

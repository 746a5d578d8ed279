"""Stochastic gradient descent with momentum: Caffe's SGDSolver."""

from __future__ import annotations

from collections.abc import Callable

import torch

from caffe_pylayers.runtime.solvers import foreach
from caffe_pylayers.runtime.solvers.solver import SOLVERS, Solver
from caffe_pylayers.runtime.solvers.update import Group, Tensors

Kernel = Callable[..., object]
# PyTorch's kernel for the whole rule, which it does not document; compute_update does the same in steps.
fused_sgd: Kernel | None = getattr(torch, "_fused_sgd_", None)
# The fused kernel scales gradients by 1 - (1 - rate), in float64: above this that is exact in float32.
SMALLEST_FUSED_RATE = 1e-6
SMALLEST_FUSED_SHARE = 1e-9  # of a weight that decays: 1 - (1 - share) is exact to seven digits


@SOLVERS.register("SGD")
class SGDSolver(Solver):
    """h = momentum * h + rate * g, w -= h

    g: the gradient with the decay. history: h. As in Caffe, the other solver types derive from this one, and at rate 0
    the gradient does not count: not even one that is not finite.
    """

    type = "SGD"

    def updates_early(self) -> bool:
        return self._is_fused(self.param.weight_decay)

    def _is_fused(self, decay: float) -> bool:
        own_rule = type(self).compute_update is not SGDSolver.compute_update  # a subclass's
        other_decay = decay and self.param.regularization_type != "L2"
        return not (fused_sgd is None or own_rule or other_decay or self.param.momentum == 0)

    def update(self, group: Group, rate: float, decay: float) -> None:
        momentum = self.param.momentum
        if fused_sgd is None or not self._is_fused(decay) or rate < SMALLEST_FUSED_RATE:
            super().update(group, rate, decay)
            return
        (history,) = group.history
        _fused(fused_sgd, group.data, group.diff, history, rate, momentum, decay)
        for blob, update in zip(group.blobs, *group.histories):
            blob.defer_diff(update)  # a copy, which few look at

    def learn(self, group: Group, rate: float, decay: float, left: torch.Tensor, right: torch.Tensor) -> None:
        (blob,), ((history,),) = group.blobs, group.histories
        weight, momentum = blob.update().view(left.shape[1], -1), history.update().view(left.shape[1], -1)
        momentum.addmm_(left.t(), right, beta=self.param.momentum, alpha=rate)
        share = rate * decay
        if fused_sgd is not None and share >= SMALLEST_FUSED_SHARE:
            # The weight is its own gradient.
            _fused(fused_sgd, [weight], [weight], [momentum], share, momentum=1.0, decay=0.0)
        else:
            weight.sub_(momentum.add_(weight, alpha=share))
        blob.defer_diff(history)

    def compute_update(self, group: Group, rate: float) -> None:
        (history,) = group.history
        foreach.mul_(history, self.param.momentum)
        if rate:
            foreach.add_(history, group.diff, alpha=rate)
        foreach.copy_(group.diff, history)


def _fused(
    kernel: Kernel, data: Tensors, diff: Tensors, history: Tensors, rate: float, momentum: float, decay: float
) -> None:
    """Do history = momentum * history + rate * (diff + decay * data), data -= history, in one pass."""
    # PyTorch's momentum buffer is without the rate, Caffe's is with it: rate 1 and a dampened gradient.
    kernel(
        data,
        diff,
        history,
        weight_decay=decay,
        momentum=momentum,
        lr=1.0,
        dampening=1 - rate,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )

"""The base of losses that are a weighted sum over positions: weights, ignored positions, normalizer."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.blocks import sum_to
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = ["WeightedLoss", "counting", "weighted_normalization"]


def weighted_normalization(default: str, **more: str) -> Parameter:
    """Return the declaration of a weighted loss's normalization; more: further choices, with what Z is then."""
    return normalization(
        default,
        full="all positions",
        valid="those not ignored, of a weight bottom other than 0",
        more={"weights": "the sum of all weights, PyTorch's mean", **more},
        least="at least 1, but any sum of weights above 0",
    )


class WeightedLoss(Layer):
    """loss = sum(v w a l) / Z over positions.

    l: what the subclass's ``losses`` returns. v: 0 where a position is ignored, else 1. w: the
    last bottom, the weights, or 1. a: ``label_weights``, or 1. Z: by ``normalization``.

    A subclass has a plan, which calls ``plan_positions``, and:

        def read(self, bottom):                      # the targets, and v or None where all count
        def losses(self, bottom, target):            # l, of the positions' shape, in memory of its own
        def gradient(self, bottom, target, scale, propagate_down):
                                                     # write the diffs but for the weights'; scale is
                                                     # v w a times the loss weight over Z, or a number
    """

    array_api = True

    normalization = weighted_normalization("valid")

    weights_at = 2  # the bottom with the weights
    weighs_inside = False  # True where losses has label_weights in it already

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss")

    def plan_positions(self, batch: int, positions: Any, weights: Any, of: str) -> None:
        """Take the number of samples, the shape of what is summed, and the weights or None."""
        self._batch, self._positions = batch, tuple(map(int, positions))
        self._count = self._size = math.prod(self._positions)
        self._weights_shape = None
        if weights is not None:
            name = f"bottom[{self.weights_at}] (weights)"
            self._weights_shape = checks.weights(self, name, weights.shape, of, self._positions)

    def forward(self, bottom: Any, top: Any) -> None:
        target, valid = self.read(bottom)
        losses = self.losses(bottom, target)
        weights = None
        if self._weights_shape is not None:
            weights = bottom[self.weights_at].data.reshape(self._weights_shape)
        valid = self.select(losses, target, valid, weights)
        label_weights = self.label_weights(target)
        self._target, self._losses = target, losses
        self._of_sum = _product(valid, label_weights)
        self._of_loss = valid if self.weighs_inside else self._of_sum
        self._factors = _product(self._of_loss, weights)
        self._normalizer = self.normalizer(target, valid, weights)
        total = losses.sum() if self._factors is None else (losses * self._factors).sum()
        self._mean = total / self._normalizer
        top[0].data[...] = self._mean

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        scale = top[0].diff[0] / self._normalizer
        self.gradient(bottom, self._target, _product(self._factors, scale), propagate_down)
        if self._weights_shape is not None and propagate_down[self.weights_at]:
            d_weights = self._losses if self._of_loss is None else self._losses * self._of_loss
            if self.normalization == "weights" and self._sum_counts:
                d_weights = d_weights - (self._mean if self._of_sum is None else self._of_sum * self._mean)
            diff = bottom[self.weights_at].diff
            diff[...] = (sum_to(d_weights, self._weights_shape) * scale).reshape(diff.shape)

    def read(self, bottom: Any) -> Any:
        """Return (target, valid); valid is of the positions' shape and scores' dtype, or None."""
        raise NotImplementedError

    def losses(self, bottom: Any, target: Any) -> Any:
        """Return the loss at each position."""
        raise NotImplementedError

    def gradient(self, bottom: Any, target: Any, scale: Any, propagate_down: Any) -> None:
        """Write the gradients that are asked for, but for the weights'."""
        raise NotImplementedError

    def select(self, losses: Any, target: Any, valid: Any, weights: Any) -> Any:
        """Return valid, of fewer positions where the loss chooses some."""
        return valid

    def label_weights(self, target: Any) -> Any:
        """Return the weights that come with the target, such as its class's, or None."""
        return None

    def normalizer(self, target: Any, valid: Any, weights: Any) -> Any:
        """Return Z."""
        if self.normalization == "weights":
            total = self._sum(_product(self._of_sum, weights))
            self._sum_counts = float(total) > 0
            return total if self._sum_counts else 1
        counted = self._count
        if self.normalization == "valid":
            chosen = _product(valid, weights)
            if chosen is not None:
                counted = int(self.xp.count_nonzero(chosen)) * self._repeats(chosen)
        return normalizer(self.normalization, self._batch, self._count, counted)

    def _sum(self, factors: Any) -> Any:
        return self._count if factors is None else factors.sum() * self._repeats(factors)

    def _repeats(self, factors: Any) -> int:
        """Return how many positions share a factor."""
        return int(self._size // max(math.prod(factors.shape), 1))


def _product(one: Any, other: Any) -> Any:
    """Return the product of factors of which each may be None, for 1."""
    return other if one is None else one if other is None else one * other


def counting(flags: Any, like: Any) -> Any:
    """Return booleans as 0 and 1 of the dtype of another array."""
    return arrays.astype(flags, like)

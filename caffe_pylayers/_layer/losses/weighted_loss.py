"""The bases of losses that are a weighted sum over positions: weights, ignored positions, normalizer."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.blocks import sum_to
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = ["PositionLoss", "WeightedLoss", "hide", "product", "weighted_normalization"]


def weighted_normalization(default: str, **more: str) -> Parameter:
    """Return the declaration of a weighted loss's normalization; more: further choices, with what Z is then."""
    return normalization(
        default,
        full="all positions",
        valid="those not ignored, of a weight bottom other than 0",
        more={"weights": "the sum of all weights, PyTorch's mean", **more},
        least="at least 1, but any sum of weights above 0",
    )


class PositionLoss(Layer):
    """loss = sum(w l) / Z over the positions that count; what the kinds of it share: w, what counts, and Z.

    A position that is ignored, or has a weight of 0, adds nothing to loss and gradients whatever its
    other bottoms hold: where the sum is no finite number, it is taken once more without them.
    """

    array_api = True

    normalization = weighted_normalization("batch")

    weights_at, weights_name = 2, "weights"  # the bottom with the weights

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss")

    def plan_positions(self, batch: int, positions: Any, weights: Any, of: str) -> None:
        """Take the number of samples, the shape of what is summed, and the weights or None."""
        self._batch, self._positions = batch, tuple(map(int, positions))
        self._count = self._size = math.prod(self._positions)
        self._weights_shape = None
        if weights is not None:
            name = f"bottom[{self.weights_at}] ({self.weights_name})"
            self._weights_shape = checks.weights(self, name, weights.shape, of, self._positions)

    def weights_of(self, bottom: Any) -> Any:
        """Return the weights, of a shape that broadcasts to the positions; None where there are none."""
        return None if self._weights_shape is None else bottom[self.weights_at].data.reshape(self._weights_shape)

    def amount(self, size: int, *factors: Any) -> Any:
        """Return what a part of so many positions adds to Z: how many have no factor of 0, or the factors' sum."""
        if self.normalization not in ("valid", "weights"):
            return 0
        factor = product(*factors)
        if factor is None:
            return size
        repeats = size // max(math.prod(factor.shape), 1)  # how many positions share a factor
        return (arrays.count_true(factor) if self.normalization == "valid" else factor.sum()) * repeats

    def divisor(self, amount: Any) -> Any:
        """Return Z for the sum of the parts' amounts."""
        if self.normalization != "weights":
            return normalizer(self.normalization, self._batch, self._count, amount)
        self._weights_divide = amount > 0
        if arrays.on_device(amount):
            return self.xp.where(self._weights_divide, amount, 1)
        return amount if self._weights_divide else 1

    def through_divisor(self, mean: Any) -> Any:
        """Return what the weights' sum, where it is Z, takes from the gradient of each: the mean; else None."""
        if self.normalization != "weights":
            return None
        if arrays.on_device(self._weights_divide):
            return self.xp.where(self._weights_divide, mean, 0)
        return mean if self._weights_divide else None


class WeightedLoss(PositionLoss):
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

    normalization = weighted_normalization("valid")

    weighs_inside = False  # True where losses has label_weights in it already

    def forward(self, bottom: Any, top: Any) -> None:
        target, valid = self.read(bottom)
        losses, weights = self.losses(bottom, target), self.weights_of(bottom)
        if weights is not None and valid is not None:
            weights = self.xp.where(valid != 0, weights, 0)
        valid = self.select(losses, target, valid, weights)
        self._target, self._losses, self._hidden = target, losses, None
        self._of_sum = product(valid, self.label_weights(target))
        self._of_loss = valid if self.weighs_inside else self._of_sum
        self._factors = product(self._of_loss, weights)
        self._normalizer = self.normalizer(target, valid, weights)
        total = self._total()
        if self._factors is not None and arrays.may_be_no_number(total):
            self._hidden = self.xp.broadcast_to(self._factors == 0, self._positions)
            self._losses = hide(self.xp, losses, self._hidden)
            total = self._total()
        self._mean = total / self._normalizer
        top[0].data[...] = self._mean

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        scale = top[0].diff[0] / self._normalizer
        self.gradient(bottom, self._target, product(self._factors, scale), propagate_down)
        for i in range(len(bottom)):
            if propagate_down[i] and self._hidden is not None and i != self.weights_at:
                self._hide(bottom[i].diff)
        if self._weights_shape is not None and propagate_down[self.weights_at]:
            d_weights = self._losses if self._of_loss is None else self._losses * self._of_loss
            mean = self.through_divisor(self._mean)
            if mean is not None:
                d_weights = d_weights - (mean if self._of_sum is None else self._of_sum * mean)
            diff = bottom[self.weights_at].diff
            diff[...] = (sum_to(d_weights, self._weights_shape) * scale).reshape(diff.shape)

    def read(self, bottom: Any) -> Any:
        """Return (target, valid); valid is of the positions' shape and scores' dtype, or None."""
        raise NotImplementedError(f"{type(self).__name__}: read is not defined")

    def losses(self, bottom: Any, target: Any) -> Any:
        """Return the loss at each position."""
        raise NotImplementedError(f"{type(self).__name__}: losses is not defined")

    def gradient(self, bottom: Any, target: Any, scale: Any, propagate_down: Any) -> None:
        """Write the gradients that are asked for, but for the weights'."""
        raise NotImplementedError(f"{type(self).__name__}: gradient is not defined")

    def select(self, losses: Any, target: Any, valid: Any, weights: Any) -> Any:
        """Return valid, of fewer positions where the loss chooses some."""
        return valid

    def label_weights(self, target: Any) -> Any:
        """Return the weights that come with the target, such as its class's, or None."""
        return None

    def normalizer(self, target: Any, valid: Any, weights: Any) -> Any:
        """Return Z."""
        of_labels = self._of_sum if self.normalization == "weights" else valid
        return self.divisor(self.amount(self._size, of_labels, weights))

    def count_of(self, flags: Any, *factors: Any) -> Any:
        """Return at how many positions the flag is set and no factor is 0; a factor may be None, for 1."""
        for factor in factors:
            if factor is not None:
                flags = flags & (factor != 0)
        return arrays.count_true(flags)

    def _total(self) -> Any:
        return self._losses.sum() if self._factors is None else (self._losses * self._factors).sum()

    def _hide(self, diff: Any) -> None:
        """Write 0 into a gradient where a position is hidden, if its axes are the positions', of any size for a 1."""
        hidden: Any = self._hidden
        shape = tuple(diff.shape)
        if hidden.shape != shape and math.prod(hidden.shape) == math.prod(shape):
            hidden = hidden.reshape(shape)
        hidden = hidden.reshape((*hidden.shape, *(1,) * (len(shape) - len(hidden.shape))))
        if len(hidden.shape) == len(shape) and all(size in (1, n) for size, n in zip(hidden.shape, shape)):
            diff[...] = self.xp.where(hidden, 0, diff)


def hide(xp: Any, values: Any, without: Any) -> Any:
    """Return the values, 0 in place of those that are no finite numbers and have no part in a sum.

    without: booleans that broadcast to the values, True where a factor is 0.
    """
    return xp.where(without & ~xp.isfinite(values), 0, values)


def product(*factors: Any) -> Any:
    """Return the product of factors of which each may be None, for 1; None for no factor at all."""
    found = None
    for factor in factors:
        if factor is not None:
            found = factor if found is None else found * factor
    return found

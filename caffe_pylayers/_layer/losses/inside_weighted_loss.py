"""The base of R-CNN's losses of box coordinates: some have no target, and each example's loss may be asked for."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.blocks import part, sum_to
from caffe_pylayers._layer.losses.pair_loss import PairLoss, Part, view
from caffe_pylayers._layer.losses.weighted_loss import weighted_normalization

__all__ = ["InsideWeightedLoss"]


class InsideWeightedLoss(PairLoss):
    """loss = sum(w_out rho(w_in (p - t))) / Z, and its terms, summed over the channels.

    A subclass has PairLoss's formulas.
    """

    weights_at, weights_name = 3, "outside_weights"

    normalization = weighted_normalization(
        "batch", places="the positions without their channels, N H W", pre_fixed="the parameter pre_fixed_normalizer"
    )
    pre_fixed_normalizer = Parameter(float, 1.0, low=1, doc="Z of the normalization pre_fixed; R-FCN has 128")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss", "losses", optional=1)

    def plan(self, predictions: Any, targets: Any, inside_weights: Any = None, outside_weights: Any = None) -> Any:
        shape = tuple(map(int, predictions.shape))
        each = (*shape[:1], 1, *shape[2:])
        self._each = each[: len(shape)]
        loss = self.plan_pair(predictions, targets, outside_weights, inside_weights=inside_weights)
        return [*loss, (*each, *(1,) * (4 - len(each)))]

    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        if len(top) > 1:
            losses = view(top[1].data, self._each)
            arrays.fill(losses, 0)
            for each in self.parts(bottom):
                terms = self.counted(self.terms(*each.arrays), each)
                self.write(losses, each.block, terms if each.weights is None else terms * each.weights, 1)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        self._d_losses = None
        if len(top) > 1 and arrays.may_hold(top[1].diff):
            self._d_losses = view(top[1].diff, self._each)
        super().backward(top, propagate_down, bottom)
        if self._d_losses is not None and len(bottom) > 3 and propagate_down[3]:
            d_weights = view(bottom[3].diff, self._weights_shape)
            for each in self.parts(bottom):
                place, terms = part(d_weights, each.block), self.counted(self.terms(*each.arrays), each)
                place += sum_to(terms * part(self._d_losses, each.block), place.shape)

    def divisor(self, amount: Any) -> Any:
        if self.normalization == "places":
            return max(math.prod(self._each), 1)
        return self.pre_fixed_normalizer if self.normalization == "pre_fixed" else super().divisor(amount)

    def terms(self, predictions: Any, targets: Any, inside: Any = None) -> Any:
        if inside is not None:
            predictions, targets = predictions * inside, targets * inside
        return super().terms(predictions, targets)

    def slope(self, predictions: Any, targets: Any, d_terms: Any, inside: Any = None, *, out: Any = None) -> Any:
        if inside is not None:
            predictions, targets, d_terms = predictions * inside, targets * inside, d_terms * inside
        return super().slope(predictions, targets, d_terms, out=out)

    def gradient(self, each: Part, factor: Any, diffs: list[Any]) -> None:
        if self._d_losses is not None:
            more = part(self._d_losses, each.block)
            factor = factor + (more if each.weights is None else more * each.weights)
        super().gradient(each, factor, diffs)
        if len(diffs) > 2 and diffs[2] is not None:
            predictions, targets, inside = each.arrays
            d_inside = super().slope(predictions * inside, targets * inside, factor * (predictions - targets))
            self.write(diffs[2], each.block, self.counted(d_inside, each), 1)

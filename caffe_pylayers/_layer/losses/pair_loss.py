"""The base class of losses that sum a function of the difference between predictions and targets."""

from __future__ import annotations

import math
from typing import Any, Iterator, NamedTuple

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.blocks import blocks, part, sum_to
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = ["PairLoss"]


class Part(NamedTuple):
    """What a block of the bottoms has; all broadcast to the differences."""

    block: Any
    differences: Any  # p - t, 0 where the target is ignored
    more: Any  # what the bottoms hold that a loss has beside predictions, targets and weights
    valid: Any  # False where the target is ignored; None where none is
    weights: Any  # or None


class PairLoss(Layer):
    """loss = sum(w * rho(p - t)) / Z over predictions p, targets t and weights w.

    A subclass has two functions of the differences p - t. They are computed block by block (see
    blocks.py), so that temporaries cost little:

        def penalty(self, differences):      # return rho
        def slope(self, differences):        # return its derivative

    A subclass with bottoms of its own defines plan, says in weights_bottom which one holds the
    weights, and gets the others as further arguments of the two.
    """

    array_api = True
    weights_bottom = 2

    normalization = normalization(
        "batch", full="the values in p", valid="those with a target that counts and a weight other than 0"
    )
    ignore_value = Parameter(float, None, doc="targets equal to it count nothing")
    ignore_nan = Parameter(bool, False, doc="targets that are NaN count nothing; else they make the loss NaN")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss")

    def plan(self, predictions: Any, targets: Any, weights: Any = None) -> Any:
        return self.plan_pair(predictions, targets, weights=weights)

    def forward(self, bottom: Any, top: Any) -> None:
        sums, valid = [], 0
        for each in self.parts(bottom):
            terms = self.penalty(each.differences, *each.more)
            for factor in (each.valid, each.weights):
                if factor is not None:
                    terms = terms * factor
            sums.append(terms.sum())
            if self.normalization == "valid":
                valid += self._count_valid(each)
        self._normalizer = normalizer(self.normalization, self._shape[0], math.prod(self._shape), valid)
        top[0].data[...] = self.xp.stack(sums).sum() / self._normalizer

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        scale = top[0].diff[0] / self._normalizer
        d_predictions, d_targets, *others = self.diffs(propagate_down, bottom)
        d_weights = dict(enumerate(others, 2)).get(self.weights_bottom)
        for each in self.parts(bottom):
            if d_predictions is not None or d_targets is not None:
                slopes = self.slope(each.differences, *each.more)
                for factor in (each.valid, each.weights):
                    if factor is not None:
                        slopes = slopes * factor
                self.write(d_predictions, each.block, slopes, scale)
                self.write(d_targets, each.block, slopes, -scale)
            if d_weights is not None:
                terms = self.penalty(each.differences, *each.more)
                self.write(d_weights, each.block, terms if each.valid is None else terms * each.valid, scale)

    def penalty(self, differences: Any) -> Any:
        """Return rho of each difference, in new memory."""
        raise NotImplementedError(f"{type(self).__name__}: penalty is not defined")

    def slope(self, differences: Any) -> Any:
        """Return the derivative of rho at each difference."""
        raise NotImplementedError(f"{type(self).__name__}: slope is not defined")

    def plan_pair(self, predictions: Any, targets: Any, **more: Any) -> Any:
        """Return the top's shape; more: the further bottoms by name, None where there is none."""
        self._shape = tuple(predictions.shape)
        self._views = [self._shape, self.targets_view(self._shape, tuple(targets.shape))]
        for name, array in more.items():
            if array is not None:
                what = f"bottom[{len(self._views)}] ({name})"
                shape = checks.weights(self, what, array.shape, "bottom[0] (predictions)", self._shape)
                self._views.append(shape)
        self._blocks = blocks(predictions)
        return [(1,)]

    def targets_view(self, predictions: Any, targets: Any) -> Any:
        """Return the shape in which targets of this shape meet the predictions."""
        checks.one_target_each(self, "bottom[1] (targets)", targets, "bottom[0] (predictions)", predictions)
        return predictions

    def parts(self, bottom: Any) -> Iterator[Part]:
        """Yield what there is block by block."""
        data = [bottom[i].data.reshape(view) for i, view in enumerate(self._views)]
        for block in self._blocks:
            predictions, targets, *more = [part(array, block) for array in data]
            differences = predictions - targets
            valid = self._valid(targets)
            if valid is not None:
                valid = self.xp.broadcast_to(valid, differences.shape)
                differences[~valid] = 0
            at = self.weights_bottom - 2
            weights = more.pop(at) if at < len(more) else None
            yield Part(block, differences, more, valid, weights)

    def diffs(self, propagate_down: Any, bottom: Any) -> list[Any]:
        """Return the bottoms' diffs, to be written block by block, and None in place of those not asked for."""
        asked = [bottom[i].diff.reshape(v) if propagate_down[i] else None for i, v in enumerate(self._views)]
        for diff in asked:
            if diff is not None and self._is_shared(diff):
                arrays.fill(diff, 0)
        return asked

    def write(self, diff: Any, block: Any, values: Any, scale: Any) -> None:
        """Write scale * values into a block of a diff, their sum where it is repeated; None is passed over."""
        if diff is None:
            return
        place = part(diff, block)
        if self._is_shared(diff):
            place += sum_to(values, place.shape) * scale
        else:
            self.xp.multiply(values, scale, out=place)

    def _is_shared(self, diff: Any) -> bool:
        return tuple(diff.shape) != self._shape

    def _valid(self, targets: Any) -> Any:
        valid = None
        if self.ignore_value is not None:
            valid = targets != self.ignore_value
        if self.ignore_nan:
            numbers = targets == targets  # noqa: PLR0124 - False for NaN only
            valid = numbers if valid is None else valid & numbers
        return valid

    def _count_valid(self, each: Part) -> int:
        counts = self.xp.ones_like(each.differences, dtype=bool) if each.valid is None else each.valid
        return int(self.xp.count_nonzero(counts if each.weights is None else counts & (each.weights != 0)))

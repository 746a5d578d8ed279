"""The bases of losses computed block by block: of two blobs, and of the numbers in them."""

from __future__ import annotations

import functools
import math
from typing import Any, Iterator, NamedTuple

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.blocks import blocks, part, sum_to
from caffe_pylayers._layer.losses.weighted_loss import PositionLoss, hide, product
from caffe_pylayers._layer.parameter import arguments

__all__ = ["BlockLoss", "PairLoss", "Part", "view"]


class Part(NamedTuple):
    """What a block of the bottoms has; all broadcast to the block's positions."""

    block: Any
    arrays: list[Any]  # what the loss is a function of
    valid: Any  # 0 where a position is ignored, else 1; None where none is
    weights: Any  # or None
    factors: list[Any]  # where one of them is 0 a position has no part: valid, weights and what a loss has beside


class BlockLoss(PositionLoss):
    """loss = sum(w l) / Z, computed block by block (see blocks.py), so that temporaries cost little.

    A subclass has a plan, which calls ``plan_positions`` and sets ``self._views``, the shape in which
    each bottom is read, and:

        def parts(self, bottom):                     # yield each Part
        def terms(self, *arrays):                    # l of a part, in new memory
        def gradient(self, each, factor, diffs):     # write a part's gradients but for the weights'
    """

    def forward(self, bottom: Any, top: Any) -> None:
        self._careful = arrays.on_device(bottom[0].data)
        total = self._total(bottom)
        if not self._careful and self._factored and not math.isfinite(total):  # by products with 0, which are faster
            self._careful = True
            total = self._total(bottom)
        self._mean = total / self._normalizer
        top[0].data[...] = self._mean

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        scale = top[0].diff[0] / self._normalizer
        diffs = self._diffs(propagate_down, bottom)
        d_weights = None if self._weights_shape is None else diffs[self.weights_at]
        others = [i for i, diff in enumerate(diffs) if diff is not None and diff is not d_weights]
        for each in self.parts(bottom):
            if others:
                self.gradient(each, scale if each.weights is None else each.weights * scale, diffs)
            if d_weights is not None:
                terms = self.terms(*each.arrays)
                mean = self.through_divisor(self._mean)
                if mean is not None:
                    terms = terms - mean
                self.write(d_weights, each.block, self.counted(terms, each), scale)

    def parts(self, bottom: Any) -> Iterator[Part]:
        """Yield what there is block by block."""
        raise NotImplementedError(f"{type(self).__name__}: parts is not defined")

    def terms(self, *arrays: Any, **named: Any) -> Any:
        """Return the loss at each position of a part, in new memory."""
        raise NotImplementedError(f"{type(self).__name__}: terms is not defined")

    def gradient(self, each: Part, factor: Any, diffs: list[Any]) -> None:
        """Write a part's gradients into those of the diffs that are not None; factor: by which the terms count."""
        raise NotImplementedError(f"{type(self).__name__}: gradient is not defined")

    def counted(self, values: Any, each: Part) -> Any:
        """Return the values with 0 where a position has no part."""
        if self._careful:
            for factor in each.factors:
                values = hide(self.xp, values, factor == 0)
        return values if each.valid is None else values * each.valid

    def part(self, block: Any, arrays: list[Any], valid: Any, weights: Any, *more: Any) -> Part:
        """Return a Part; more: its further factors."""
        if self._careful and valid is not None and weights is not None:
            weights = hide(self.xp, weights, valid == 0)
        factors = [factor for factor in (valid, weights, *more) if factor is not None]
        return Part(block, arrays, valid, weights, factors)

    def write(self, diff: Any, block: Any, values: Any, scale: Any) -> None:
        """Write scale * values into a block of a diff, their sum where it is repeated; None is passed over."""
        if diff is None:
            return
        place = part(diff, block)
        if diff.shape != self._whole:
            place += sum_to(values, place.shape) * scale
        else:
            self.xp.multiply(values, scale, out=place)

    def _total(self, bottom: Any) -> Any:
        """Return the sum, not normalized, and keep Z."""
        sums, amounts, self._factored = [], [], False
        for each in self.parts(bottom):
            self._factored |= bool(each.factors)
            terms = self.counted(self.terms(*each.arrays), each)
            sums.append((terms if each.weights is None else terms * each.weights).sum())
            amounts.append(self.amount(math.prod(terms.shape), each.valid, each.weights))
        self._normalizer = self.divisor(sum(amounts))
        return functools.reduce(lambda a, b: a + b, sums)

    def _diffs(self, propagate_down: Any, bottom: Any) -> list[Any]:
        """Return the bottoms' diffs, to be written block by block, and None in place of those not asked for."""
        asked = [view(bottom[i].diff, v) if propagate_down[i] else None for i, v in enumerate(self._views)]
        for diff in asked:
            if diff is not None and diff.shape != self._whole:
                arrays.fill(diff, 0)
        return asked


class PairLoss(BlockLoss):
    """loss = sum(w rho(p, t)) / Z over predictions p, targets t and weights w; rho depends on p - t alone.

    A subclass has rho, which it returns in new memory, and d_terms times its derivative by p, which out receives if
    it is not None; they take the parameters that they have arguments for by name:

        formulas = huber_forward, huber_backward    # (xp, p, t, delta), (xp, p, t, d_terms, delta, out)

    A subclass with bottoms of its own defines plan, says in weights_at which one holds the weights,
    and gets the others as further arguments of ``terms`` and ``slope``, the last ones.
    """

    formulas: Any = ()

    by_kernel = False  # True where tensors go through PyTorch's kernels, which keep nothing between their steps

    ignore_value = Parameter(float, None, doc="targets equal to it count nothing")
    ignore_nan = Parameter(bool, False, doc="targets that are NaN count nothing; else they make the loss NaN")

    def plan(self, predictions: Any, targets: Any, weights: Any = None) -> Any:
        return self.plan_pair(predictions, targets, weights)

    def plan_pair(self, predictions: Any, targets: Any, weights: Any, **more: Any) -> Any:
        """Return the top's shape; more: the bottoms before the weights by name, None where there is none."""
        self.options = arguments(self, self.formulas[0])
        self._whole, of = predictions.shape, "bottom[0] (predictions)"
        shape = tuple(predictions.shape)
        self._views = [shape, self.targets_view(shape, tuple(targets.shape))]
        for name, array in more.items():
            if array is not None:
                what = f"bottom[{len(self._views)}] ({name})"
                self._views.append(checks.weights(self, what, array.shape, of, shape))
        self.plan_positions(shape[0], shape, weights, of)
        if weights is not None:
            self._views.append(self._weights_shape)
        at_once = self.by_kernel and arrays.is_tensor(predictions)
        self._blocks = [()] if at_once else blocks(predictions)
        return [(1,)]

    def terms(self, *arrays: Any) -> Any:
        """Return rho."""
        return self.formulas[0](self.xp, *arrays, **self.options)

    def slope(self, *arrays: Any, **out: Any) -> Any:
        """Return d_terms times the derivative of rho by the predictions."""
        return self.formulas[1](self.xp, *arrays, **out, **self.options)

    def targets_view(self, predictions: Any, targets: Any) -> Any:
        """Return the shape in which targets of this shape meet the predictions."""
        checks.one_target_each(self, "bottom[1] (targets)", targets, "bottom[0] (predictions)", predictions)
        return predictions

    def parts(self, bottom: Any) -> Iterator[Part]:
        """Yield predictions, targets and what there is beside them, block by block."""
        data = [view(bottom[i].data, shape) for i, shape in enumerate(self._views)]
        for block in self._blocks:
            found = [part(array, block) for array in data]
            weights = None if self._weights_shape is None else found.pop()
            yield self.part(block, found, self._valid(found[1]), weights, *found[2:])

    def gradient(self, each: Part, factor: Any, diffs: list[Any]) -> None:
        """Write the gradients of predictions and targets."""
        d_predictions, d_targets = diffs[:2]
        if d_predictions is None and d_targets is None:
            return
        out = None if d_predictions is None else part(d_predictions, each.block)
        predictions, targets, *more = each.arrays
        slopes = self.slope(predictions, targets, factor, *more, out=out)
        if each.valid is not None or self._careful:
            slopes = self.counted(slopes, each)
            if out is not None:
                out[...] = slopes
        self.write(d_targets, each.block, slopes, -1)

    def _valid(self, targets: Any) -> Any:
        xp, valid = self.xp, None
        if self.ignore_value is not None:
            valid = xp.not_equal(targets, self.ignore_value, out=xp.empty_like(targets))
        if self.ignore_nan:
            valid = product(valid, xp.less_equal(targets, targets, out=xp.empty_like(targets)))  # 0 for NaN
        return valid


def view(array: Any, shape: Any) -> Any:
    """Return an array in another shape: reshape, which takes torch its time for one that it has."""
    return array if array.shape == shape else array.reshape(shape)

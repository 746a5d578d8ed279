"""Losses of depth maps.

    layer {
      name: "loss"  type: "Python"
      bottom: "log_depth"  bottom: "depth"  top: "loss"
      python_param {
        module: "caffe_pylayers.depth"  layer: "ScaleInvariantLogLoss"  param_str: "{'variance_focus': 0.5}"
      }
      loss_weight: 1
    }

Caffe gives a Python layer no default loss weight: without ``loss_weight`` it trains nothing.
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter

__all__ = ["ScaleInvariantLogLoss", "scale_invariant_backward", "scale_invariant_forward"]


_LEAST, _MOST = 1e-37, 3e38  # numbers of float32


def scale_invariant_forward(xp, differences, valid, variance_focus=0.5):
    """Return (loss, centred, mean, count) of each row.

    loss = mean(d**2) - lambda mean(d)**2; centred: d - mean(d) where valid, else 0; count: how many are.
    The loss is taken as mean((d - mean(d))**2) + (1 - lambda) mean(d)**2, in which nothing cancels.

    differences: d = log(y) - log(y*), (R, M), 0 where they are not valid.
    valid: 1 and 0, (R, M). A row without valid ones has the loss 0.
    variance_focus: lambda.
    """
    count = valid.sum(1).reshape(-1, 1).clip(1, None)
    mean = differences.sum(1).reshape(-1, 1) / count
    centred = (differences - mean) * valid
    loss = (centred * centred).sum(1).reshape(-1, 1) / count + mean * mean * (1 - variance_focus)
    return loss, centred, mean, count


def scale_invariant_backward(xp, centred, valid, mean, count, d_loss, variance_focus=0.5):
    """Return d_differences of scale_invariant_forward: 2 d_loss (d - lambda mean(d)) / count where valid, else 0."""
    d_differences = centred + mean * (1 - variance_focus)
    d_differences *= valid
    d_differences *= d_loss * 2 / count
    return d_differences


class ScaleInvariantLogLoss(Layer):
    """Eigen's loss of depth: squared differences of logarithms, less what a wrong scale of the whole costs.

    With d = log(y) - log(y*) at the valid pixels of an image, D = mean(d**2) - lambda mean(d)**2, and
    the loss is the mean of D, or of sqrt(D), over the images.

    Bottom:
        [0] predictions, (N, ...) such as (N, 1, H, W): log(y), or y itself without log_predictions
        [1] targets y*, as many values and the same N: depths, in the unit of min_depth. Valid are
            those above min_depth, not above max_depth, and not NaN: no return of a sensor is 0.
        [2] mask, optional: 0 where a pixel does not count; the shape of the predictions, or 1 on
            any axis; missing trailing axes count as 1
    Top:
        [0] loss (1,)
    Backward:
        d_log_y = 2 g (d - lambda mean(d)) / (n N) at the n valid pixels of an image, over 2 sqrt(D) with
        sqrt (0 where D is 0), and 0 elsewhere; d_y = d_log_y / y; d_y* = -d_log_y / y*; zeros for the
        mask; with the loss weight in g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit, and for a max_depth not above min_depth.
    References:
        Eigen et al., "Depth Map Prediction from a Single Image using a Multi-Scale Deep Network",
        2014, arXiv:1406.2283: lambda 0.5. Lee et al., "From Big to Small", 2019, arXiv:1907.10326, whose
        word variance_focus is, and AdaBins have log_predictions false, sqrt, per_image false,
        variance_focus 0.85 and a loss weight of 10.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> depths = [[1.0, 1.0, 0.0]]
        >>> LayerRun(ScaleInvariantLogLoss, [[[2.0, 2, 7]], depths]).forward()[0]  # 4 - 0.5 * 4
        array([2.])
        >>> LayerRun(ScaleInvariantLogLoss, [[[2.0, 2, 7]], depths], param_str="variance_focus: 1").forward()[0]
        array([0.])
    """

    array_api = True

    variance_focus = Parameter(
        float, 0.5, low=0, high=1, doc="lambda: 0 is the mean square, 1 does not see the scale at all"
    )
    log_predictions = Parameter(bool, True, doc="predictions are log(y); false: y")
    floor = Parameter(float, 1e-3, above=0, doc="without log_predictions: y below it counts as this, without gradient")
    min_depth = Parameter(float, 0.0, low=0, doc="targets must be above it")
    max_depth = Parameter(float, None, above=0, doc="targets must not be above it; default: any that is finite")
    sqrt = Parameter(bool, False, doc="take the square root of D")
    per_image = Parameter(bool, True, doc="true: the means are over each image; false: over the batch")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")
        if self.max_depth is not None and self.max_depth <= self.min_depth:
            raise checks.error(self, f"max_depth {self.max_depth} must be above min_depth {self.min_depth}")

    def plan(self, predictions, targets, mask=None):
        shape = tuple(predictions.shape)
        checks.one_target_each(self, "bottom[1] (targets)", targets.shape, "bottom[0] (predictions)", shape)
        self._mask_shape = None
        if mask is not None:
            self._mask_shape = checks.broadcasts(self, "bottom[2] (mask)", mask.shape, "bottom[0] (predictions)", shape)
        rows = shape[0] if self.per_image else min(shape[0], 1)
        self._shape, self._rows = shape, (rows, math.prod(shape) // max(rows, 1))
        return [(1,)]

    def forward(self, bottom, top):
        targets = bottom[1].data.reshape(self._rows)
        self._valid = self._valid_ones(targets, bottom)
        differences = self._logs(bottom) - self.xp.log(targets.clip(_LEAST, _MOST))
        differences *= self._valid
        loss = self._forward(differences)
        if arrays.may_be_no_number(loss.sum()):  # what a pixel that does not count holds may be no number
            out = self._valid == 0
            logs = self.xp.log(self.xp.where(out, 1, targets))
            loss = self._forward(self.xp.where(out, 0, self._logs(bottom) - logs))
        self._loss = self.xp.sqrt(loss) if self.sqrt else loss
        top[0].data[...] = self._loss.sum() / max(self._rows[0], 1)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0] or propagate_down[1]:
            d_loss = top[0].diff[0] / max(self._rows[0], 1)
            if self.sqrt:
                flat = self._loss == 0
                d_loss = d_loss / 2 * (~flat) / self.xp.where(flat, 1, self._loss)
            centred, mean, count = self._terms
            d_differences = scale_invariant_backward(
                self.xp, centred, self._valid, mean, count, d_loss, self.variance_focus
            )
        if propagate_down[0]:
            self._write(bottom[0], d_differences if self.log_predictions else self._of_depths(d_differences, bottom))
        if propagate_down[1]:
            targets = bottom[1].data.reshape(self._rows)
            self._write(bottom[1], -d_differences / self.xp.where(self._valid == 0, 1, targets))
        if len(bottom) == 3 and propagate_down[2]:
            arrays.fill(bottom[2].diff, 0)

    def _valid_ones(self, targets, bottom):
        xp, valid = self.xp, self.xp.empty_like(targets)
        xp.greater(targets, self.min_depth, out=valid)  # torch takes long over booleans
        valid *= xp.less_equal(targets, _MOST if self.max_depth is None else self.max_depth, out=xp.empty_like(targets))
        if self._mask_shape is not None:
            mask = bottom[2].data.reshape(self._mask_shape) != 0
            valid *= xp.broadcast_to(mask, self._shape).reshape(self._rows)
        return valid

    def _logs(self, bottom):
        predictions = bottom[0].data.reshape(self._rows)
        return predictions if self.log_predictions else self.xp.log(predictions.clip(self.floor, None))

    def _forward(self, differences):
        loss, *self._terms = scale_invariant_forward(self.xp, differences, self._valid, self.variance_focus)
        return loss

    def _of_depths(self, d_logs, bottom):
        depths = bottom[0].data.reshape(self._rows)
        without = (depths < self.floor) | (d_logs == 0)
        return self.xp.where(without, 0, d_logs / depths.clip(self.floor, None))

    def _write(self, blob, values):
        blob.diff[...] = values.reshape(tuple(blob.data.shape))

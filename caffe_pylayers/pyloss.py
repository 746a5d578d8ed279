"""Losses on predictions and targets.

    layer {
      name: "loss"  type: "Python"
      bottom: "ip2"  bottom: "one_hot_label"  top: "loss"
      python_param { module: "caffe_pylayers.pyloss"  layer: "EuclideanLossLayer" }
      loss_weight: 1
    }

Caffe gives a Python layer no default loss weight: without ``loss_weight`` it trains nothing.
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.blocks import sum_to
from caffe_pylayers._layer.losses.weighted_loss import PositionLoss, hide

__all__ = ["EuclideanLossLayer", "euclidean_loss_backward", "euclidean_loss_forward"]


def euclidean_loss_forward(xp, predictions, targets, difference, weights=None, weighted=None):
    """Return sum(weights * (predictions - targets)**2) / 2, not normalized.

    difference: receives predictions - targets.
    weighted: receives weights * difference; the caller's to give when there are weights.
    weights: broadcasts to difference.
    """
    xp.subtract(predictions, targets, out=difference)
    if weights is None:
        weighted = difference
    else:
        xp.multiply(difference, weights, out=weighted)
    return xp.dot(difference.ravel(), weighted.ravel()) / 2


def euclidean_loss_backward(xp, weighted, scale, d_predictions=None, d_targets=None):
    """Write the gradients asked for: scale * weighted, and its negative for the targets.

    weighted: weights * (predictions - targets).
    scale: the loss's gradient over its normalizer.
    """
    if d_predictions is not None:
        xp.multiply(weighted, scale, out=d_predictions)
    if d_targets is not None:
        xp.multiply(weighted, -scale, out=d_targets)


class EuclideanLossLayer(PositionLoss):
    """Half the mean squared Euclidean distance.

    loss = sum(w * (p - t)**2) / (2 Z), with Z from the normalization.

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N
        [2] weights w, optional: the shape of p, or 1 on any axis; missing trailing axes count
            as 1, so (N,) weights samples and (N, 1, H, W) positions. Default: 1. Where a weight is 0
            the other bottoms may hold anything, NaN too
    Top:
        [0] loss (1,)
    Backward:
        d_p = g w (p - t) / Z, d_t = -d_p, d_w = g (p - t)**2 / (2 Z), with the loss weight in
        g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit.

    References:
        With two bottoms and the default normalization it is Caffe's EuclideanLoss, loss and
        gradients, but for the top's shape: (1,) here and () there.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(EuclideanLossLayer, [[[1, 2], [3, 4]], [[1, 0], [0, 4]]])
        >>> run.forward()[0]  # (2**2 + 3**2) / (2 * 2)
        array([3.25])
        >>> run.backward([1])[0]
        array([[0. , 1. ],
               [1.5, 0. ]])
    """

    def plan(self, predictions, targets, weights=None):
        of = "bottom[0] (predictions)"
        checks.one_target_each(self, "bottom[1] (targets)", targets.shape, of, predictions.shape)
        self.plan_positions(len(predictions), predictions.shape, weights, of)
        self._difference = self._weighted = self.xp.empty_like(predictions)
        if weights is not None:
            self._weighted = self.xp.empty_like(predictions)
        return [(1,)]

    def forward(self, bottom, top):
        predictions, targets, weights = bottom[0].data, bottom[1].data, self.weights_of(bottom)
        if targets.shape != predictions.shape:
            targets = targets.reshape(predictions.shape)
        self._normalizer = self.divisor(self.amount(self._size, weights))
        pair = predictions, targets, self._difference
        self._loss = euclidean_loss_forward(self.xp, *pair, weights, self._weighted)
        if weights is not None and arrays.may_be_no_number(self._loss):
            self._difference[...] = hide(self.xp, self._difference, weights == 0)
            pair = self._difference, 0, self._difference
            self._loss = euclidean_loss_forward(self.xp, *pair, weights, self._weighted)
        top[0].data[...] = self._loss / self._normalizer

    def backward(self, top, propagate_down, bottom):
        scale = top[0].diff[0] / self._normalizer
        d_predictions = bottom[0].diff if propagate_down[0] else None
        d_targets = bottom[1].diff.reshape(self._difference.shape) if propagate_down[1] else None
        euclidean_loss_backward(self.xp, self._weighted, scale, d_predictions, d_targets)
        if self._weights_shape is not None and propagate_down[2]:
            terms = self._difference * self._difference / 2
            mean = self.through_divisor(self._loss / self._normalizer)
            if mean is not None:
                terms -= mean
            d_weights = bottom[2].diff
            d_weights[...] = (sum_to(terms, self._weights_shape) * scale).reshape(d_weights.shape)

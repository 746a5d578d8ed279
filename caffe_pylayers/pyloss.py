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

import math

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

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


class EuclideanLossLayer(Layer):
    """Half the mean squared Euclidean distance.

    loss = sum(w * (p - t)**2) / (2 Z), with Z from the normalization.

    Bottom:
        [0] predictions p, any shape of one axis or more, N its first size
        [1] targets t, as many values as p and the same N
        [2] weights w, optional: the shape of p, or 1 on any axis; missing trailing axes count
            as 1, so (N,) weights samples and (N, 1, H, W) positions. Default: 1
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

    array_api = True

    normalization = normalization("batch", full="the values in p", valid="those with a weight other than 0")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def plan(self, predictions, targets, weights=None):
        of = "bottom[0] (predictions)"
        checks.one_target_each(self, "bottom[1] (targets)", targets.shape, of, predictions.shape)
        self._difference = self._weighted = self.xp.empty_like(predictions)
        if weights is not None:
            name = "bottom[2] (weights)"
            self._weights_shape = checks.weights(self, name, weights.shape, of, predictions.shape)
            self._weighted = self.xp.empty_like(predictions)
        self._count = math.prod(predictions.shape)
        self._normalizer = normalizer(self.normalization, len(predictions), self._count, self._count)
        return [(1,)]

    def forward(self, bottom, top):
        predictions, targets, weights = bottom[0].data, bottom[1].data, None
        if targets.shape != predictions.shape:
            targets = targets.reshape(predictions.shape)
        if len(bottom) == 3:
            weights = bottom[2].data.reshape(self._weights_shape)
            if self.normalization == "valid":
                self._normalizer = self._count_valid(weights)
        loss = euclidean_loss_forward(self.xp, predictions, targets, self._difference, weights, self._weighted)
        top[0].data[...] = loss / self._normalizer

    def backward(self, top, propagate_down, bottom):
        scale = top[0].diff[0] / self._normalizer
        d_predictions = bottom[0].diff if propagate_down[0] else None
        d_targets = bottom[1].diff.reshape(self._difference.shape) if propagate_down[1] else None
        euclidean_loss_backward(self.xp, self._weighted, scale, d_predictions, d_targets)
        if len(bottom) == 3 and propagate_down[2]:
            self._backward_weights(scale, bottom[2].diff)

    def _count_valid(self, weights):
        repeats = self._count // max(math.prod(self._weights_shape), 1)
        return max(int(self.xp.count_nonzero(weights)) * repeats, 1)

    def _backward_weights(self, scale, d_weights):
        squares = self._difference * self._difference
        shared = tuple(i for i, w in enumerate(self._weights_shape) if w == 1)
        if shared:
            squares = squares.sum(shared)
        d_weights[...] = (squares * (scale / 2)).reshape(d_weights.shape)

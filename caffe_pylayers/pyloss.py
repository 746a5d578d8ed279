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

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter

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

    With two bottoms and the default normalization it is Caffe's EuclideanLoss, loss and
    gradients, but for the top's shape: (1,) here and () there.
    """

    array_api = True

    normalization = Parameter(
        str,
        "batch",
        choices=("batch", "full", "valid", "none"),
        doc="Z: N, the number of values in p, that of values with a weight other than 0, or 1; never below 1",
    )

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "predictions", "targets", "weights", optional=1)
        checks.tops(self, top, "loss")
        self._bottoms, self._shapes = range(len(bottom)), []

    def reshape(self, bottom, top):
        shapes = [bottom[i].data.shape for i in self._bottoms]
        if shapes != self._shapes:
            self._check_shapes(*map(tuple, shapes))
            self._xp = arrays.namespace(bottom[0].data)
            self._difference = self._xp.empty_like(bottom[0].data)
            self._weighted = self._difference if len(shapes) == 2 else self._xp.empty_like(self._difference)
            self._normalizer = self._count(shapes[0])
            self._shapes = shapes
        top[0].reshape(1)

    def forward(self, bottom, top):
        predictions, targets, weights = bottom[0].data, bottom[1].data, None
        if targets.shape != predictions.shape:
            targets = targets.reshape(predictions.shape)
        if self._weighted is not self._difference:
            weights = bottom[2].data.reshape(self._weights_shape)
            if self.normalization == "valid":
                self._normalizer = self._count_valid(weights)
        loss = euclidean_loss_forward(self._xp, predictions, targets, self._difference, weights, self._weighted)
        top[0].data[...] = loss / self._normalizer

    def backward(self, top, propagate_down, bottom):
        scale = top[0].diff[0] / self._normalizer
        d_predictions = bottom[0].diff if propagate_down[0] else None
        d_targets = bottom[1].diff.reshape(self._difference.shape) if propagate_down[1] else None
        euclidean_loss_backward(self._xp, self._weighted, scale, d_predictions, d_targets)
        if len(propagate_down) == 3 and propagate_down[2]:
            self._backward_weights(scale, bottom[2].diff)

    def _check_shapes(self, predictions, targets, weights=()):
        if not predictions or predictions[:1] != targets[:1] or math.prod(predictions) != math.prod(targets):
            raise checks.error(
                self,
                f"bottom[1] (targets) must have the first size and as many values as "
                f"bottom[0] (predictions) of shape {predictions}, got {targets}",
            )
        self._weights_shape = weights + (1,) * (len(predictions) - len(weights))
        fits = len(weights) <= len(predictions) and all(w in (1, p) for w, p in zip(self._weights_shape, predictions))
        if not fits:
            raise checks.error(
                self,
                f"bottom[2] (weights) must have the shape of bottom[0] (predictions) {predictions}, "
                f"with 1 on any axis and trailing axes left out at will, got {weights}",
            )

    def _count(self, shape):
        if self.normalization == "none":
            return 1
        return max(shape[0] if self.normalization == "batch" else math.prod(shape), 1)

    def _count_valid(self, weights):
        repeats = math.prod(self._shapes[0]) // max(math.prod(self._weights_shape), 1)
        return max(int(self._xp.count_nonzero(weights)) * repeats, 1)

    def _backward_weights(self, scale, d_weights):
        squares = self._difference * self._difference
        shared = tuple(i for i, w in enumerate(self._weights_shape) if w == 1)
        if shared:
            squares = squares.sum(shared)
        d_weights[...] = (squares * (scale / 2)).reshape(d_weights.shape)

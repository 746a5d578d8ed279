"""The base of the losses of overlap, and the sums that they are made of."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions.probabilities import ACTIVATIONS, probabilities_backward, probabilities_forward
from caffe_pylayers._layer.losses import segmentation

__all__ = ["ClassOverlapLoss", "OverlapLoss", "overlap_sums_backward", "overlap_sums_forward"]


def overlap_sums_forward(xp: Any, p: Any, t: Any, weighted_p: Any, weighted_t: Any, squared: bool = False) -> Any:
    """Return (shared, predicted, actual), each (N, C): the sums over positions of w p t, w p and w t.

    With 0 and 1 they count true positives, positives and what should be positive.

    p, t: probabilities and targets (N, C, L).
    weighted_p, weighted_t: w p and w t; without weights p and t.
    squared: sum w p**2 and w t**2 instead of w p and w t.
    """
    shared = _dots(xp, p, weighted_t)
    if squared:
        return shared, _dots(xp, p, weighted_p), _dots(xp, t, weighted_t)
    return shared, weighted_p.sum(-1), weighted_t.sum(-1)


def overlap_sums_backward(
    xp: Any,
    weighted_p: Any,
    weighted_t: Any,
    w: Any,
    d_shared: Any,
    d_predicted: Any,
    squared: bool,
    d_p: Any,
    scratch: Any,
) -> None:
    """Write d_p = w (t d_shared + d_predicted), with 2 p d_predicted where the sums are squared.

    With p and t exchanged, and d_actual for d_predicted, it writes d_t.

    w: weights (N, 1, L) or (N, C, L), or None.
    d_shared, d_predicted: (N, C) or (1, C).
    scratch: receives anything; shaped like d_p.
    """
    xp.multiply(weighted_t, d_shared[:, :, None], out=d_p)
    if squared:
        xp.multiply(weighted_p, 2 * d_predicted[:, :, None], out=scratch)
        d_p += scratch
    elif w is None:
        d_p += d_predicted[:, :, None]
    else:
        xp.multiply(d_predicted[:, :, None], w, out=scratch)
        d_p += scratch


def overlap_sums_backward_weights(
    p: Any, t: Any, d_shared: Any, d_predicted: Any, d_actual: Any, squared: bool, valid: Any
) -> Any:
    """Return d_w (N, L), the sum over classes of p t d_shared + p d_predicted + t d_actual, where it is valid.

    valid: booleans (N, 1, L) or (N, C, L), or None. The others: as above; p**2 and t**2 where squared.
    """
    d = p * t * d_shared[:, :, None]
    d += (p * p if squared else p) * d_predicted[:, :, None]
    d += (t * t if squared else t) * d_actual[:, :, None]
    if valid is not None:
        d *= valid
    return d.sum(1)


def _dots(xp: Any, a: Any, b: Any) -> Any:
    """Return the inner products over the last axis."""
    return xp.matmul(a[:, :, None, :], b[:, :, :, None])[:, :, 0, 0]


class OverlapLoss(Layer):
    """A loss made of each class's sums of overlap, over an image or over the batch.

    A subclass has

        def of_sums(self, shared, predicted, actual):

    which gets the sums (G, C), G the images or 1, and returns the losses (G,) and their gradients
    for the three, each (G, C). The classes' factors are in self._v.

    squared: True where the sums are of squares.
    """

    array_api = True
    squared: Any = False

    activation = Parameter(
        str,
        "none",
        choices=ACTIVATIONS,
        doc="what makes probabilities of bottom[0]: none, where it holds them; sigmoid; softmax over axis 1",
    )
    per_image = Parameter(bool, True, doc="the mean of the images' losses; false: one loss of the batch as a whole")
    class_weights = Parameter([float], (), low=0, doc="v_c, a factor for each class: C of them; default: 1")
    exclude = Parameter([int], (), low=0, doc="classes with v_c = 0; the background: [0]")
    ignore_label = Parameter(int, None, doc="targets of this value do not count")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss")

    def plan(self, predictions: Any, targets: Any, weights: Any = None) -> Any:
        shape = tuple(predictions.shape)
        if len(shape) < 2 or not shape[1]:
            raise checks.error(self, f"bottom[0] (predictions) must have shape (N, C, ...), got {shape}")
        if self.activation == "softmax" and shape[1] == 1:
            raise checks.error(self, "activation softmax needs two channels or more in bottom[0]; of one it is sigmoid")
        self._shape = (*shape[:2], math.prod(shape[2:]))
        self._of_numbers = segmentation.are_numbers(self, targets.shape, shape)
        self._v = segmentation.class_factors(self, self.class_weights, self.exclude, predictions)
        self._classes = arrays.arange_like(targets, shape[1])
        self._places = None if self._of_numbers else segmentation.class_places(targets, self._shape)
        self._scratch = arrays.new(predictions, self._shape)
        self._codes = None if self._of_numbers else arrays.new(predictions, self._shape)
        self._probabilities = None if self.activation == "none" else arrays.new(predictions, self._shape)
        self._weighted: Any = None
        if weights is not None or self.ignore_label is not None:
            self._weighted = arrays.new(predictions, (2, *self._shape))
        if weights is not None:
            self._all_weights = arrays.new(predictions, (shape[0], 1, *shape[2:]))
            of = "one channel of bottom[0] (predictions)"
            self._weights_shape = checks.weights(
                self, "bottom[2] (weights)", weights.shape, of, self._all_weights.shape
            )
        return [(1,)]

    def forward(self, bottom: Any, top: Any) -> None:
        self._p = bottom[0].data.reshape(self._shape)
        if self._probabilities is not None:
            probabilities_forward(self.xp, self._p, self.activation, self._probabilities)
            self._p = self._probabilities
        self._read(bottom)
        self._weighted_p, self._weighted_t = self._p, self._t
        if self._weighted is not None:
            self._weighted_p, self._weighted_t = self._weighted
            self.xp.multiply(self._p, self._w, out=self._weighted_p)
            self.xp.multiply(self._t, self._w, out=self._weighted_t)
        sums = overlap_sums_forward(self.xp, self._p, self._t, self._weighted_p, self._weighted_t, self.squared)
        if not self.per_image:
            sums = tuple(s.sum(0)[None] for s in sums)
        losses, self._d_sums = self.of_sums(*sums)
        self._groups = max(len(losses), 1)
        top[0].data[...] = losses.sum() / self._groups

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        scale = top[0].diff[0] / self._groups
        d_shared, d_predicted, d_actual = (d * scale for d in self._d_sums)
        p, t, w, square = self._weighted_p, self._weighted_t, self._w, self.squared
        if propagate_down[0]:
            d = bottom[0].diff.reshape(self._shape)
            overlap_sums_backward(self.xp, p, t, w, d_shared, d_predicted, square, d, self._scratch)
            if self._probabilities is not None:
                probabilities_backward(self.xp, self._p, self.activation, d, self._scratch)
        if propagate_down[1] and self._of_numbers:
            d = bottom[1].diff.reshape(self._shape)
            overlap_sums_backward(self.xp, t, p, w, d_shared, d_actual, square, d, self._scratch)
        elif propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
        if len(bottom) == 3 and propagate_down[2]:
            d = overlap_sums_backward_weights(
                self._p, self._t, d_shared, d_predicted, d_actual, square, self._valid
            ).reshape(self._all_weights.shape)
            repeated = tuple(i for i, n in enumerate(self._weights_shape) if n == 1)
            bottom[2].diff[...] = (d.sum(repeated) if repeated else d).reshape(bottom[2].diff.shape)

    def of_sums(self, shared: Any, predicted: Any, actual: Any) -> Any:
        """Return the losses (G,) and (d_shared, d_predicted, d_actual), each (G, C)."""
        raise NotImplementedError

    def _read(self, bottom: Any) -> None:
        """Take the targets t, and w: their weights where they count, None where all weigh 1."""
        if self._of_numbers:
            self._t, self._valid = segmentation.read_numbers(self, bottom[1].data, self._shape)
        else:
            self._t = self._codes
            self._valid = segmentation.read_labels(self, bottom[1].data, self._classes, self._places, self._t)
        self._w = self._valid
        if len(bottom) == 3:
            self._all_weights[...] = bottom[2].data.reshape(self._weights_shape)
            self._w = self._all_weights.reshape(self._shape[0], 1, self._shape[2])
            if self._valid is not None:
                self._w = self._w * self._valid


class ClassOverlapLoss(OverlapLoss):
    """A loss of overlap that is a mean over classes. A subclass has ``class_losses``."""

    classes = Parameter(
        str,
        "all",
        choices=("all", "present"),
        doc="present: the mean over the classes that the targets have, in the image or the batch",
    )
    smooth = Parameter(float, 1.0, low=0, doc="s, in positions; with 0, a class that is nowhere has the loss 0")

    def of_sums(self, shared: Any, predicted: Any, actual: Any) -> Any:
        """Return the means over classes (G,), and their gradients."""
        losses, d_sums = self.class_losses(shared, predicted, actual)
        v = self._v * (actual > 0) if self.classes == "present" else self._v + 0 * actual
        total = v.sum(1)[:, None]
        v = v / (total + (total == 0))
        return (v * losses).sum(1), [v * d for d in d_sums]

    def class_losses(self, shared: Any, predicted: Any, actual: Any) -> Any:
        """Return the classes' losses and (d_shared, d_predicted, d_actual), each (G, C)."""
        raise NotImplementedError

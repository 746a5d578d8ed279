"""The base of the losses of overlap, and the sums that they are made of."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.blocks import sum_to
from caffe_pylayers._layer.losses.class_probabilities import activation
from caffe_pylayers._layer.losses.region_loss import ClassMean, RegionLoss
from caffe_pylayers._layer.losses.region_targets import RegionTargets

__all__ = [
    "ClassOverlapLoss",
    "OverlapLoss",
    "overlap_sums_backward",
    "overlap_sums_backward_weights",
    "overlap_sums_forward",
]


def overlap_sums_forward(xp: Any, p: Any, t: Any, w: Any = None, squared: bool = False) -> Any:
    """Return (shared, predicted, actual), each (N, C): the sums over positions of w p t, w p and w t.

    With 0 and 1 they count true positives, positives and what should be positive.

    p, t: probabilities and targets (N, C, L).
    w: weights (N, 1, L) or (N, C, L), None for 1.
    squared: sum w p**2 and w t**2 instead of w p and w t.
    """
    weighted_t = t if w is None else t * w
    shared = xp.einsum("ncl,ncl->nc", p, weighted_t)
    if squared:
        weighted_p = p if w is None else p * w
        return shared, xp.einsum("ncl,ncl->nc", p, weighted_p), xp.einsum("ncl,ncl->nc", t, weighted_t)
    return shared, p.sum(-1) if w is None else (p * w).sum(-1), weighted_t.sum(-1)


def overlap_sums_backward(
    xp: Any, p: Any, t: Any, w: Any, d_shared: Any, d_predicted: Any, squared: bool, d_p: Any
) -> None:
    """Write d_p = w (t d_shared + d_predicted), with 2 p d_predicted where the sums are squared.

    With p and t exchanged, and d_actual for d_predicted, it writes d_t.

    d_shared, d_predicted: (N, C) or (1, C).
    """
    xp.multiply(t, d_shared[:, :, None], out=d_p)
    d_p += p * (2 * d_predicted[:, :, None]) if squared else d_predicted[:, :, None]
    if w is not None:
        d_p *= w


def overlap_sums_backward_weights(p: Any, t: Any, d_shared: Any, d_predicted: Any, d_actual: Any, squared: bool) -> Any:
    """Return d_w (N, C, L) = p t d_shared + p d_predicted + t d_actual, with p**2 and t**2 where squared."""
    d = p * t * d_shared[:, :, None]
    d += (p * p if squared else p) * d_predicted[:, :, None]
    d += (t * t if squared else t) * d_actual[:, :, None]
    return d


class OverlapLoss(RegionLoss):
    """A loss made of each class's sums of overlap, over an image or over the batch.

    A subclass has

        def of_sums(self, shared, predicted, actual):

    which gets the sums (G, C), G the images or 1, and returns the losses (G,) and their gradients
    for the three, each (G, C), all on the host where the blobs are there.

    squared: True where the sums are of squares.
    """

    squared: Any = False
    activation = activation("none")

    def plan(self, predictions: Any, targets: Any, weights: Any = None) -> Any:
        self.plan_regions(predictions)
        self._targets = RegionTargets(self, targets, predictions)
        if weights is not None:
            shape = tuple(predictions.shape)
            self._weights = arrays.new(predictions, (shape[0], 1, *shape[2:]))
            of = "one channel of bottom[0] (predictions)"
            self._weights_shape = checks.broadcasts(self, "bottom[2] (weights)", weights.shape, of, self._weights.shape)
        return [(1,)]

    def forward(self, bottom: Any, top: Any) -> None:
        weights = None
        if len(bottom) == 3:
            self._weights[...] = bottom[2].data.reshape(self._weights_shape)
            weights = self._weights.reshape(self._shape[0], 1, self._shape[2])
        self._t, self._valid, self._w = self._targets.read(self, bottom[1].data, weights)
        self._p = self.take_probabilities(bottom[0].data, self._w)
        found = overlap_sums_forward(self.xp, self._p, self._t, self._w, self.squared)
        sums = list(map(arrays.host_view, found))  # few numbers in many steps
        if not self.per_image:
            sums = [s.sum(0)[None] for s in sums]
        losses, self._d_sums = self.of_sums(*sums)
        self._groups = max(len(losses), 1)
        arrays.host_view(top[0].data)[...] = losses.sum() / self._groups

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        scale = arrays.host_view(top[0].diff)[0] / self._groups
        d_shared, d_predicted, d_actual = (arrays.from_host(d * scale, self._p) for d in self._d_sums)
        p, t, w, squared = self._p, self._t, self._w, self.squared
        if propagate_down[0]:
            d = bottom[0].diff.reshape(self._shape)
            overlap_sums_backward(self.xp, p, t, w, d_shared, d_predicted, squared, d)
            self.through_activation(p, d)
        if propagate_down[1] and self._targets.are_numbers:
            d = bottom[1].diff.reshape(self._shape)
            overlap_sums_backward(self.xp, t, p, w, d_shared, d_actual, squared, d)
        elif propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)
        if len(bottom) == 3 and propagate_down[2]:
            d = overlap_sums_backward_weights(p, t, d_shared, d_predicted, d_actual, squared)
            if self._valid is not None:
                d *= self._valid
            d_weights = sum_to(d.sum(1).reshape(self._weights.shape), self._weights_shape)
            bottom[2].diff[...] = d_weights.reshape(bottom[2].diff.shape)

    def of_sums(self, shared: Any, predicted: Any, actual: Any) -> Any:
        """Return the losses (G,) and (d_shared, d_predicted, d_actual), each (G, C)."""
        raise NotImplementedError(f"{type(self).__name__}: of_sums is not defined")


class ClassOverlapLoss(ClassMean, OverlapLoss):
    """A loss of overlap that is a mean over classes. A subclass has ``class_losses``."""

    smooth = Parameter(
        float,
        0.0,
        low=0,
        doc="s, in positions, which the papers do not have; above 0, as 1, what is predicted of a class that is "
        "nowhere has a gradient too; with 0, a class neither predicted nor there has the loss 0",
    )

    def of_sums(self, shared: Any, predicted: Any, actual: Any) -> Any:
        """Return the means over classes (G,), and their gradients."""
        losses, d_sums = self.class_losses(shared, predicted, actual)
        shares = self.class_shares(actual)
        return (shares * losses).sum(1), [shares * d for d in d_sums]

    def class_losses(self, shared: Any, predicted: Any, actual: Any) -> Any:
        """Return the classes' losses and (d_shared, d_predicted, d_actual), each (G, C)."""
        raise NotImplementedError(f"{type(self).__name__}: class_losses is not defined")

"""The base of losses of each sample's distances from the vectors of the classes."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.losses.weighted_loss import WeightedLoss, weighted_normalization

__all__ = ["ClassDistanceLoss"]


class ClassDistanceLoss(WeightedLoss):
    """Distances (N, C) and labels to a loss (1,), and to the means of the own and of the other classes' distances.

    A subclass has, for distances (N, C), those of the labels (N, 1), and booleans far (N, 1), where these are above
    positive_upper_bound, or None:

        def terms(self, distances, of_labels, far):    # return loss (N,), its gradients (N, C) and of the label (N, 1)

    others: booleans (N, C), False for the label. shown: what the second top has the means of.
    """

    positive_weight = Parameter(float, 1.0, low=0, doc="of the terms of d_y")
    negative_weight = Parameter(float, 1.0, low=0, doc="of the terms of the other classes")
    positive_upper_bound = Parameter(float, None, doc="a sample with d_y above it is pulled only; default: none is")
    ignore_label = Parameter(int, None, doc="samples with this label take no part")
    normalization = weighted_normalization("batch")

    def terms(self, distances: Any, of_labels: Any, far: Any) -> tuple[Any, Any, Any]:
        """Return (loss, d_distances, d_of_labels) of each sample."""
        raise NotImplementedError(f"{type(self).__name__}: terms is not defined")

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss", "means", optional=1)

    def plan(self, distances: Any, labels: Any, weights: Any = None) -> Any:
        self._shape = distances.shape[0], math.prod(distances.shape[1:])
        checks.one_label_each(self, "bottom[1] (labels)", labels.shape, "bottom[0] (distances)", self._shape, 1)
        self.plan_positions(self._shape[0], self._shape[:1], weights, "bottom[0] (distances), without its classes,")
        self._classes = arrays.arange_like(distances, self._shape[1])
        return [(1,), (2,)]

    def read(self, bottom: Any) -> Any:
        labels, valid = checks.class_labels(self, bottom[1].data, self._classes, self.ignore_label)
        return labels[:, None], None if valid is None else arrays.astype(valid, self._classes)

    def losses(self, bottom: Any, target: Any) -> Any:
        distances = bottom[0].data.reshape(self._shape)
        of_labels = arrays.take_along(distances, target, 1)
        self.others = self._classes[None] != arrays.astype(target, self._classes)
        self.shown = of_labels, self.xp.where(self.others, distances, 0)
        far = None if self.positive_upper_bound is None else of_labels > self.positive_upper_bound
        loss, self._slopes, d_own = self.terms(distances, of_labels, far)
        arrays.put_along(self._slopes, target, d_own, 1)
        return loss

    def forward(self, bottom: Any, top: Any) -> None:
        super().forward(bottom, top)
        if len(top) > 1:
            n, c = self._shape
            own, others = self.shown
            top[1].data[0] = own.sum() / max(n, 1)
            top[1].data[1] = others.sum() / max(n * (c - 1), 1)

    def gradient(self, bottom: Any, target: Any, scale: Any, propagate_down: Any) -> None:
        if propagate_down[0]:
            scale = scale[:, None] if getattr(scale, "shape", ()) else scale
            self.xp.multiply(self._slopes, scale, out=bottom[0].diff.reshape(self._shape))
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def of_largest(self, values: Any, where: Any) -> Any:
        """Return `where`, of each row at its first largest value alone."""
        if 0 in self._shape:
            return where
        return where & (self._classes[None] == arrays.astype(values.argmax(1), self._classes)[:, None])

"""The true regions of segmentation losses: label maps, or a number in [0, 1] for each prediction."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.functions.one_hot_codes import class_starts, one_hot_forward
from caffe_pylayers._layer.losses.class_probabilities import finite_where_unweighted, where_weighted

__all__ = ["RegionTargets"]


class RegionTargets:
    """What reads bottom[1], targets of predictions (N, C, ...); made for their arrays, in a layer's plan.

    are_numbers: whether there is a number for each prediction, as always with one channel, or a label of C classes.
    """

    def __init__(self, layer: Any, targets: Any, predictions: Any) -> None:
        shape = tuple(predictions.shape)
        self.are_numbers = shape[1] == 1 or tuple(targets.shape) == shape
        if tuple(targets.shape) != shape:
            checks.one_label_each(layer, "bottom[1] (targets)", targets.shape, "bottom[0] (predictions)", shape, 1)
        self._shape = images, classes, positions = (*shape[:2], math.prod(shape[2:]))
        if not self.are_numbers:
            self._classes, self._codes = arrays.arange_like(targets, classes), arrays.new(predictions, self._shape)
            self._starts = class_starts(arrays.new(targets, (images, positions), int), self._shape)

    def read(self, layer: Any, targets: Any, weights: Any = None) -> Any:
        """Return (t, valid, w): targets (N, C, L), which of them are not ignore_label, and their weights.

        weights: (N, 1, L), None for 1.
        t: where the weight is 0, some finite number.
        valid: booleans (N, 1, L) or (N, C, L), None where all are.
        w: weights, and 0 where not valid; None where all weigh 1.
        """
        t, valid = (
            self._read_numbers(layer, targets) if self.are_numbers else self._read_labels(layer, targets, weights)
        )
        w = weights
        if valid is not None:
            xp, like = arrays.namespace(t), t if weights is None else weights
            w = arrays.astype(valid, t) if weights is None else xp.where(valid, weights, xp.zeros_like(like[:1]))
        if self.are_numbers:
            checks.numbers(layer, "bottom[1] (targets)", targets, where_weighted(w, targets.shape), 0, 1)
            t = t if w is None else finite_where_unweighted(t, w)
        return t, valid, w

    def _read_numbers(self, layer: Any, targets: Any) -> Any:
        numbers = targets.reshape(self._shape)
        return numbers, None if layer.ignore_label is None else numbers != layer.ignore_label

    def _read_labels(self, layer: Any, targets: Any, weights: Any) -> Any:
        where = None if weights is None else (weights != 0).ravel()
        index, valid = checks.class_labels(layer, targets, self._classes, layer.ignore_label, where=where)
        images, _, positions = self._shape
        one_hot_forward(index, self._codes, starts=self._starts)
        return self._codes, None if valid is None else valid.reshape(images, 1, positions)

"""The base class of layers that change the scores of the labels."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.bases.scheduled import Scheduled

__all__ = ["LabelScores"]


class LabelScores(Scheduled):
    """A layer of scores and labels, whose tops are scores of the same shape, and a number.

    rows: the shape (N, C) of the scores.
    """

    array_api = True
    in_place = True

    def plan(self, scores: Any, labels: Any) -> Any:
        self.rows = scores.shape[0], math.prod(scores.shape[1:])
        checks.one_label_each(self, "bottom[1] (labels)", labels.shape, "bottom[0] (scores)", self.rows, 1)
        self._classes = arrays.arange_like(labels, self.rows[1])
        return [scores.shape, (1,)]

    def label_indices(self, bottom: Any) -> Any:
        """Return the labels as indices (N, 1) along the scores."""
        return checks.class_labels(self, bottom[1].data, self._classes)[0][:, None]

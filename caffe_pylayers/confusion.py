"""Which class is taken for which.

    layer {
      name: "confusion"  type: "Python"  include { phase: TEST }
      bottom: "ip2"  bottom: "label"
      python_param { module: "caffe_pylayers.confusion"  layer: "ConfusionMatrix" }
    }

Without a top the layer counts for its picture alone: ``caffe-pylayers train`` draws it after each
test, into its output folder, as LAYER.png.
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.metrics.class_metric import ratio
from caffe_pylayers._layer.metrics.confusion import ConfusionMetric
from caffe_pylayers._layer.metrics.pictures import Matrix

__all__ = ["ConfusionMatrix", "normalize_confusion"]


def normalize_confusion(counts, how):
    """Return a confusion matrix as shares of its rows, of its columns, of all, or as it is.

    how: "label", "prediction", "all" or "none". A row or column without counts gives NaN.
    """
    if how == "none":
        return counts
    whole = {"label": counts.sum(1)[:, None], "prediction": counts.sum(0), "all": counts.sum()}[how]
    return ratio(counts, whole)


class ConfusionMatrix(ConfusionMetric):
    """How often each class is predicted for each label.

    m_ij = sum(w, label i and prediction j), the prediction the first class of the highest score.

    Bottom:
        [0] scores (N, C, ...), with the classes on the axis; or, with num_classes given, predicted
            classes, shaped like the labels
        [1] labels, integers in [0, C), one for each position: (N,), (N, 1), (N, H, W), ...
        [2] weights w, optional: shaped like the labels, or (N,). Default: 1
    Top:
        [0] matrix (C, C), optional: labels by row, predictions by column; a share of nothing is 0
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label that is no integer in [0, C), for scores that are NaN where a label
        counts, and for shapes that do not fit.
    References:
        scikit-learn's confusion_matrix, its normalize "true" and "pred" being "label" and
        "prediction" here. The matrices that published evaluation layers print or save.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]
        >>> LayerRun(ConfusionMatrix, [scores, [0, 0, 1]]).forward()[0]
        array([[1., 1.],
               [0., 1.]])
    """

    normalize = Parameter(
        str, "none", choices=("none", "label", "prediction", "all"), doc="m as counts, or as shares of what"
    )
    class_names = Parameter([str], (), doc="for the picture; default: the classes' numbers")

    def setup(self, bottom, top):
        checks.tops(self, top, "matrix", optional=1)

    def plan(self, scores, labels, weights=None):
        classes = self._plan_confusion(scores, labels, weights)
        if self.class_names and len(self.class_names) != classes:
            raise checks.error(
                self, f"parameter class_names must hold one for each of {classes} classes, got {len(self.class_names)}"
            )
        return [(classes, classes)]

    def values(self):
        return [normalize_confusion(self._matrix, self.normalize)]

    def picture(self):
        if not self._matrix.any():
            return None
        accuracy = ratio(np.trace(self._matrix), self._matrix.sum())
        return Matrix(
            f"{self._matrix.sum():g} labels, {accuracy:.2%} right",
            normalize_confusion(self._matrix, self.normalize),
            rows="label",
            columns="prediction",
            names=self.class_names,
        )

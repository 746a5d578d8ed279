"""Whether a net is right as often as it is sure, over a whole test pass.

layer {
  name: "calibration"  type: "Python"  include { phase: TEST }
  bottom: "prob"  bottom: "label"  top: "ece"  top: "mce"
  python_param { module: "caffe_pylayers.calibration"  layer: "ExpectedCalibrationError" }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.metrics.class_metric import ClassMetric, count, ratio
from caffe_pylayers._layer.metrics.pictures import Lines

__all__ = ["ExpectedCalibrationError", "calibration_gaps"]


def calibration_gaps(counts, right, confidence):
    """Return |accuracy - mean confidence| by bin, 0 for an empty one.

    counts, right, confidence: by bin, the sum of samples, of right ones, and of confidences.
    """
    return np.abs(np.nan_to_num(ratio(right - confidence, counts)))


class ExpectedCalibrationError(ClassMetric):
    """The mean distance between how sure a net is and how often it is right.

    ECE = sum_b (n_b / n) |acc_b - conf_b|, MCE = max_b |acc_b - conf_b|, over bins b of equal
    width, with the confidence, which is the highest probability, in ((b - 1) / B, b / B].

    Bottom:
        [0] probabilities (N, C, ...), with the classes on the axis: a Softmax's top
        [1] labels, integers in [0, C), one for each position: (N,), (N, 1), (N, H, W), ...
        [2] weights, optional: shaped like the labels, or (N,). Default: 1
    Top:
        [0] expected calibration error (1,)
        [1] maximum calibration error, optional, (1,)
        Both are 0 over no labels.
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label that is no integer in [0, C), for a highest probability outside
        [0, 1] where a label counts, and for shapes that do not fit.
    References:
        Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599. Its picture
        is the reliability diagram.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> probabilities = [[0.1, 0.9], [0.1, 0.9], [0.7, 0.3], [0.7, 0.3]]
        >>> run = LayerRun(ExpectedCalibrationError, [probabilities, [1, 0, 0, 0]], tops=2)
        >>> [float(x[0].round(2)) for x in run.forward()]
        [0.35, 0.4]
    """

    bins = Parameter(int, 15, low=1, doc="B, the number of bins")

    def setup(self, bottom, top):
        checks.tops(self, top, "expected", "maximum", optional=1)

    def plan(self, scores, labels, weights=None):
        self._plan_classes(scores, labels, weights)
        return [(1,), (1,)]

    def start(self):
        self._counts, self._right, self._confidence = np.zeros((3, self.bins))

    def update(self, bottom):
        labels, valid = self._labels(bottom)
        probabilities = self._scores(bottom, valid)
        predicted, confidence = (
            arrays.argmax(probabilities, self._axis).ravel(),
            self._confidences(probabilities, valid),
        )
        index = arrays.to_int64(self.xp.ceil(confidence * self.bins)).clip(1, self.bins) - 1
        weights, right = self._weights(bottom, valid), predicted == labels
        weighted = confidence if weights is None else confidence * weights
        right = right if valid is None else right & valid
        self._counts += count(self.xp, index, self.bins, weights, valid)
        self._right += count(self.xp, index, self.bins, weights, right)
        self._confidence += count(self.xp, index, self.bins, weighted, valid)

    def values(self):
        gaps = calibration_gaps(self._counts, self._right, self._confidence)
        return ratio((gaps * self._counts).sum(), self._counts.sum()), gaps.max()

    def picture(self):
        used = self._counts > 0
        if not used.any():
            return None
        sure = ratio(self._confidence, self._counts)[used]
        right = ratio(self._right, self._counts)[used]
        return Lines(
            "reliability",
            [(f"expected calibration error {float(self.values()[0]):.4f}", sure, right)],
            x="confidence",
            y="accuracy",
            diagonal=True,
        )

    def _confidences(self, probabilities, valid):
        """Return each position's highest probability, float64 and flat; 0 where no label counts."""
        highest = self.xp.amax(probabilities, self._axis).ravel()
        checks.numbers(self, "bottom[0]'s highest probability, as of a Softmax's top,", highest, valid, 0, 1 + 1e-5)
        confidence = arrays.new(highest, highest.shape, float)
        confidence[...] = highest if valid is None else self.xp.where(valid, highest, self.xp.zeros_like(highest))
        return confidence

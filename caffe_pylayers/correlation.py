"""How predictions and targets go together, over a whole test pass.

layer {
  name: "lcc"  type: "Python"  include { phase: TEST }
  bottom: "quality"  bottom: "mos"  top: "lcc"
  python_param { module: "caffe_pylayers.correlation"  layer: "PearsonCorrelation" }
}
layer {
  name: "srocc"  type: "Python"  include { phase: TEST }
  bottom: "quality"  bottom: "mos"  top: "srocc"
  python_param { module: "caffe_pylayers.correlation"  layer: "SpearmanCorrelation" }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.metrics.class_metric import mean, ratio
from caffe_pylayers._layer.metrics.metric import Metric

__all__ = ["PearsonCorrelation", "SpearmanCorrelation", "mean_ranks"]


def mean_ranks(values):
    """Return the ranks of values (n, D) in their columns, from 1; equal ones share the mean of theirs."""
    order = np.argsort(values, 0, "stable")
    ordered = np.take_along_axis(values, order, 0)
    place = np.arange(len(values))[:, None] + np.zeros_like(order)
    new = ordered[1:] != ordered[:-1]
    first, last = place.copy(), place.copy()
    first[1:] = np.where(new, place[1:], 0)
    last[:-1] = np.where(new, place[:-1], len(values))
    first = np.maximum.accumulate(first, 0)
    last = np.minimum.accumulate(last[::-1], 0)[::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, 0)
    return ranks


class _Moments:
    """Means of columns x and y, and the sums of products of their deviations, of batches as they come."""

    def __init__(self, columns):
        self.count = 0
        self.means = np.zeros((2, columns))
        self.products = np.zeros((3, columns))  # xx, yy, xy

    def add(self, x, y):
        """Take x and y (n, D), in float64, by Chan's formula: no digits are lost however large the means are."""
        n = len(x)
        if not n:
            return
        means = np.stack([x.mean(0), y.mean(0)])
        dx, dy = x - means[0], y - means[1]
        step = means - self.means
        both = self.count + n
        apart = np.stack([step[0] * step[0], step[1] * step[1], step[0] * step[1]])
        self.products += np.stack([(dx * dx).sum(0), (dy * dy).sum(0), (dx * dy).sum(0)]) + apart * (
            self.count * n / both
        )
        self.means += step * (n / both)
        self.count = both

    def correlation(self):
        """Return the correlation by column, NaN where x or y is constant."""
        xx, yy, xy = self.products
        # What is left of a constant by rounding is no deviation.
        constant = self.products[:2] <= self.count * (np.finfo(np.float64).eps * 8 * self.means) ** 2
        return np.clip(ratio(xy, np.where(constant.any(0), 0, np.sqrt(xx) * np.sqrt(yy))), -1, 1)


class _Correlation(Metric):
    """A correlation of each output over the samples."""

    _bounds: tuple[float, ...] = ()  # of the values; default: finite

    def setup(self, bottom, top):
        checks.tops(self, top, "mean", "by output", optional=1)

    def plan(self, predictions, targets):
        checks.one_target_each(self, "bottom[1] (targets)", targets.shape, "bottom[0] (predictions)", predictions.shape)
        outputs = math.prod(predictions.shape[1:])
        if outputs != getattr(self, "_outputs", outputs):
            self.start_pass()
        self._outputs = outputs
        return [(1,), (outputs,)]

    def values(self):
        found = self.correlation()
        return mean(found), found

    def _columns(self, bottom, i):
        values = bottom[i].data
        checks.numbers(self, f"bottom[{i}] ({('predictions', 'targets')[i]})", values, None, *self._bounds)
        return values.reshape(len(values), self._outputs)


class PearsonCorrelation(_Correlation):
    """The linear correlation of predictions and targets over the samples, for each output.

    r = sum((p - mean p)(t - mean t)) / sqrt(sum((p - mean p)^2) sum((t - mean t)^2))

    Bottom:
        [0] predictions p, (N,) or (N, D, ...): each of the D ... outputs is correlated over the N
        [1] targets t, as many values and the same N
    Top:
        [0] mean over the outputs (1,)
        [1] r by output, optional, (D,)
        Where p or t is constant there is no r: it is left out of the mean, and 0 by itself.
    Backward:
        Zeros: it is a metric, no loss.
    Raises:
        ValueError for values that are not finite, and for shapes that do not fit.
    References:
        scipy.stats.pearsonr. The LCC or PLCC of image quality, of which published layers give the
        mean of batches.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(PearsonCorrelation, [[1, 2, 3, 4], [1, 2, 3, 7]]).forward()[0].round(3)
        array([0.933])
    """

    def start(self):
        self._moments = _Moments(self._outputs)

    def update(self, bottom):
        self._moments.add(*(self._columns(bottom, i).astype(np.float64) for i in range(2)))

    def correlation(self):
        return self._moments.correlation()


class SpearmanCorrelation(_Correlation):
    """The correlation of the ranks of predictions and targets over the samples, for each output.

    rho = r(rank p, rank t), with Pearson's r; equal values share the mean of their ranks.

    Bottom:
        [0] predictions p, (N,) or (N, D, ...): each of the D ... outputs is correlated over the N
        [1] targets t, as many values and the same N
    Top:
        [0] mean over the outputs (1,)
        [1] rho by output, optional, (D,)
        Where p or t is constant there is no rho: it is left out of the mean, and 0 by itself.
    Backward:
        Zeros: a rank has no gradient.
    Raises:
        ValueError for values that are NaN, and for shapes that do not fit.
    References:
        scipy.stats.spearmanr. The SROCC of image quality; published layers keep the values of a
        pass in a list and print, or give the mean of batches.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(SpearmanCorrelation, [[1, 2, 3, 4], [1, 2, 7, 3]]).forward()[0]
        array([0.8])
    """

    _bounds = (-math.inf, math.inf)

    def start(self):
        self._kept = ([], [])  # type: ignore[var-annotated]

    def update(self, bottom):
        for i in range(2):
            self._kept[i].append(self._columns(bottom, i).copy())

    def correlation(self):
        moments = _Moments(self._outputs)
        if self._kept[0]:
            moments.add(*(mean_ranks(np.concatenate(batches)) for batches in self._kept))
        return moments.correlation()

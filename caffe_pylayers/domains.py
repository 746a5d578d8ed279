"""Domain adaptation: how differently two sets of features are distributed, as a loss; and how unsure a net is.

layer {
  name: "fc7_mmd"  type: "Python"
  bottom: "source_fc7"  bottom: "target_fc7"  top: "fc7_mmd"
  python_param { module: "caffe_pylayers.domains"  layer: "MMDLoss" }
  loss_weight: 1
}
layer {
  name: "fc7_jmmd"  type: "Python"
  bottom: "source_fc7"  bottom: "target_fc7"  bottom: "source_prob"  bottom: "target_prob"  top: "fc7_jmmd"
  python_param { module: "caffe_pylayers.domains"  layer: "JMMDLoss"  param_str: "{label_kernel_num: 1, sigma: 1.68}" }
  loss_weight: 0.3
}
layer {
  name: "entropy"  type: "Python"
  bottom: "target_prob"  top: "entropy"
  python_param { module: "caffe_pylayers.domains"  layer: "EntropyLoss" }
  loss_weight: 0.1
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.scheduled import Scheduled
from caffe_pylayers._layer.embeddings.distances import pairwise_backward, pairwise_squares
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = [
    "EntropyLoss",
    "JMMDLoss",
    "MMDLoss",
    "entropy_backward",
    "entropy_forward",
    "gaussian_kernels",
    "inverse_mean",
    "mmd_backward",
    "mmd_forward",
    "pair_weights",
]


def pair_weights(sources, targets, drawn=None):
    """Return w (n, n), n = sources + targets, for which sum(w k) is an unbiased MMD**2 of kernels k (n, n).

    E k(s, s') + E k(t, t') - 2 E k(s, t), over all pairs; or, where drawn is a generator of numpy, the mean of
    k(s, s') + k(t, t') - k(s, t') - k(s', t) for as many s, s', t, t' as the larger domain has samples.
    """
    w = np.zeros((sources + targets, sources + targets))
    if min(sources, targets) < 2:
        return w
    if drawn is None:
        w[:sources, :sources] = 1 / (sources * (sources - 1))
        w[sources:, sources:] = 1 / (targets * (targets - 1))
        w[:sources, sources:] = w[sources:, :sources] = -1 / (sources * targets)
        np.fill_diagonal(w, 0)
        return w
    count = max(sources, targets)
    (s, s2), (t, t2) = (_two_each(drawn, count, n) for n in (sources, targets))
    for rows, columns, sign in (
        (s, s2, 1),
        (sources + t, sources + t2, 1),
        (s, sources + t2, -1),
        (s2, sources + t, -1),
    ):
        np.add.at(w, (rows, columns), sign / count)
    return w


def _two_each(drawn, count, n):
    """Return two samples of n, which differ, count times."""
    first = drawn.integers(n, size=count)
    return first, (first + drawn.integers(1, n, size=count)) % n


def inverse_mean(squares):
    """Return 1 over the mean of the squared distances (n, n) of different samples; 1 where all are the same."""
    total, n = squares.sum(), len(squares)
    if arrays.on_device(total):
        return arrays.namespace(total).where(total > 0, n * (n - 1) / total, 1.0)
    return n * (n - 1) / float(total) if total > 0 else 1.0


def gaussian_kernels(xp, squares, gamma, factors):
    """Return (k, s): k = sum_f exp(-gamma f squares) and s = sum_f f exp(-gamma f squares).

    d k / d squares = -gamma s, d k / d gamma = -squares s.
    """
    kernels = [xp.exp(squares * (-gamma * factor)) for factor in factors]
    return sum(kernels), sum(factor * kernel for factor, kernel in zip(factors, kernels))


def mmd_forward(xp, weights, squares, kernels):
    """Return (loss, parts): sum_ij w_ij prod_l k_l(squares_l), and what backward takes up.

    weights: pair_weights. squares: for each l the squared distances (n, n). kernels: for each l (gamma, factors).
    """
    parts = [gaussian_kernels(xp, d, *kernel) for d, kernel in zip(squares, kernels)]
    return (weights * math.prod(k for k, _ in parts)).sum(), parts


def mmd_backward(weights, squares, kernels, parts, which, through_mean=False):
    """Return d_squares (n, n) of mmd_forward for l = which; through_mean: its gamma is 1 over the squares' mean."""
    gamma, (_, slope), d = kernels[which][0], parts[which], squares[which]
    d_k = weights * math.prod(k for i, (k, _) in enumerate(parts) if i != which)
    d_squares = d_k * slope * -gamma
    total = d.sum()
    if through_mean and (arrays.on_device(total) or total > 0):
        d_gamma = -(d_k * slope * d).sum()
        through = d_gamma * gamma / total
        d_squares -= arrays.namespace(d).where(total > 0, through, 0) if arrays.on_device(total) else through
    return d_squares


def entropy_forward(xp, p, threshold):
    """Return -p log p of probabilities, 0 where p is below the threshold."""
    counts = p >= threshold
    return -xp.where(counts, p * xp.log(xp.where(counts, p, xp.ones_like(p))), xp.zeros_like(p))


def entropy_backward(xp, p, threshold):
    """Return d_p = -1 - log p of entropy_forward."""
    counts = p >= threshold
    return xp.where(counts, -1 - xp.log(xp.where(counts, p, xp.ones_like(p))), xp.zeros_like(p))


class _Discrepancy(Layer):
    """loss = sum_ij w_ij prod_l k_l(x_li, x_lj): of pairs l of bottoms, the source's samples and the target's."""

    array_api = True

    kernel_num = Parameter(int, 5, low=1, doc="K, the kernels of features")
    kernel_mul = Parameter(float, 2.0, above=0, doc="m, from one kernel's gamma to the next")
    gamma = Parameter(float, None, above=0, doc="g of features; default: 1 over the mean squared distance in the batch")
    fix_gamma = Parameter(bool, False, doc="without gamma: that of the first batch, for ever")
    pairs = Parameter(str, "drawn", choices=("drawn", "all"), doc="what the means are taken over")
    seed = seed_parameter()
    legacy_gradient = Parameter(bool, False, doc="the gradient of Xlearn's Caffe: a batch's g counts as a constant")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")
        self._draws, self._fixed = Draws(self.seed), None

    def forward(self, bottom, top):
        flat = [bottom[i].data.reshape(len(bottom[i].data), self._values[i // 2]) for i in range(len(bottom))]
        self._x = [self.xp.concatenate(flat[i : i + 2]) for i in range(0, len(flat), 2)]
        self._squares = [pairwise_squares(self.xp, x) for x in self._x]
        asked = self.kernels()
        self._of_batch = [gamma is None for gamma, _ in asked]
        self._kernels = [(inverse_mean(d) if g is None else g, f) for (g, f), d in zip(asked, self._squares)]
        if self.fix_gamma:
            self._fixed = self._kernels[0][0]
        source, target = self._domains
        weights = pair_weights(source, target, self._draws.host if self.pairs == "drawn" else None)
        self._weights = arrays.from_numpy(weights, self._x[0])
        top[0].data[...], self._parts = mmd_forward(self.xp, self._weights, self._squares, self._kernels)

    def backward(self, top, propagate_down, bottom):
        weights = self._weights * top[0].diff[0]
        for i, x in enumerate(self._x):
            if not any(propagate_down[2 * i : 2 * i + 2]):
                continue
            d_squares = self.d_squares(weights, i)
            d_x = self.xp.empty_like(x)
            pairwise_backward(self.xp, x, d_squares, d_x)
            for j, part in ((2 * i, d_x[: self._domains[0]]), (2 * i + 1, d_x[self._domains[0] :])):
                if propagate_down[j]:
                    bottom[j].diff[...] = part.reshape(bottom[j].diff.shape)

    def kernels(self):
        """Return for each pair of bottoms (g or None, the factors of the kernels' gammas)."""
        low = self.kernel_num // 2
        gamma = self.gamma if self.gamma is not None else self._fixed
        return [(gamma, [self.kernel_mul ** (i - low) for i in range(self.kernel_num)])]

    def plan_pairs(self, *bottoms):
        """Take the bottoms, source and target in turn; return the top's shape."""
        sizes = [tuple(blob.shape) for blob in bottoms]
        self._values = [math.prod(size[1:]) for size in sizes[::2]]
        self._domains = sizes[0][:1] + sizes[1][:1]
        for i, (source, target) in enumerate(zip(sizes[::2], sizes[1::2])):
            if not source or source[1:] != target[1:] or source[:1] + target[:1] != self._domains:
                raise checks.error(
                    self,
                    f"bottom[{2 * i}] and bottom[{2 * i + 1}] must be features of the samples of the source and of the "
                    f"target, got shapes {source} and {target}",
                )
        return [(1,)]

    def d_squares(self, weights, i):
        """Return the gradient of the squared distances of pair i."""
        through_mean = self._of_batch[i] and not self.legacy_gradient
        return mmd_backward(weights, self._squares, self._kernels, self._parts, i, through_mean)


class MMDLoss(_Discrepancy):
    """The distance of the source's features from the target's, as distributions: of their means, seen by kernels.

    loss = E k(s, s') + E k(t, t') - 2 E k(s, t), k(a, b) = sum_i exp(-g m**(i - K // 2) |a - b|**2), i = 0 .. K - 1

    It is estimated without bias, from as many random pairs as the larger domain has samples, or from all; below 0 at
    times then. It is 0 where a domain has fewer than two samples.

    Bottom:
        [0] features of the source (N, ...)
        [1] features of the target (M, ...), of the same size
    Top:
        [0] loss (1,)
    Backward:
        d_features, of the pairs that forward drew, also through g where it follows from the batch.
    Raises:
        ValueError for features of different sizes.
    References:
        Gretton et al., "A Kernel Two-Sample Test", 2012; Long et al., "Learning Transferable Features with Deep
        Adaptation Networks", 2015, arXiv:1502.02791. MMDLoss of thuml/Xlearn, with its mmd_param. That draws other
        pairs in backward, lets g count as a constant there (legacy_gradient), and calls the pairs' sum the loss, where
        its gradient is that of their mean.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(MMDLoss, [[[0.0], [1.0]], [[0.0], [1.0]]], param_str="{pairs: all, kernel_num: 1, gamma: 1}")
        >>> run.forward()[0].round(4)  # exp(-1) + exp(-1) - (1 + exp(-1))
        array([-0.6321])
    """

    def plan(self, source, target):
        return self.plan_pairs(source, target)


class JMMDLoss(_Discrepancy):
    """The distance of features and predictions together, source's from target's: of joint distributions.

    loss = E k(s, s') h(s, s') + E k(t, t') h(t, t') - 2 E k(s, t) h(s, t), k of features and h of predictions as in
    MMDLoss, h = sum_i exp(-|a - b|**2 / (sigma m**(i - K // 2)))

    Bottom:
        [0] features of the source (N, ...)
        [1] features of the target (M, ...), of the same size
        [2] predictions for the source (N, ...), probabilities
        [3] predictions for the target (M, ...)
    Top:
        [0] loss (1,)
    Backward:
        d_features and d_predictions, of the pairs that forward drew, also through g and sigma where they follow from
        the batch.
    Raises:
        ValueError for bottoms whose sizes do not go together.
    References:
        Long et al., "Deep Transfer Learning with Joint Adaptation Networks", 2017, arXiv:1605.06636. JMMDLoss of
        thuml/Xlearn, with its jmmd_param. That calls 0 the loss, and draws pairs in backward. There g and sigma count
        as constants, and of several kernels h each has the gradient of one with sigma: legacy_gradient. With auto_sigma
        it takes the mean of random pairs for sigma, here that of all.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> bottoms = [[[0.0], [1.0]]] * 2 + [[[1.0], [0.0]]] * 2
        >>> text = "{pairs: all, kernel_num: 1, gamma: 1, label_kernel_num: 1, sigma: 1}"
        >>> LayerRun(JMMDLoss, bottoms, param_str=text).forward()[0].round(4)  # exp(-2) - 1
        array([-0.8647])
    """

    label_kernel_num = Parameter(int, 5, low=1, doc="K of predictions")
    label_kernel_mul = Parameter(float, 2.0, above=0, doc="m of predictions")
    sigma = Parameter(float, None, above=0, doc="of predictions; default: the mean squared distance in the batch")

    def plan(self, source, target, source_predictions, target_predictions):
        return self.plan_pairs(source, target, source_predictions, target_predictions)

    def kernels(self):
        low = self.label_kernel_num // 2
        gamma = None if self.sigma is None else 1 / self.sigma
        factors = [self.label_kernel_mul ** (low - i) for i in range(self.label_kernel_num)]
        return [*super().kernels(), (gamma, factors)]

    def d_squares(self, weights, i):
        if i == 0 or not self.legacy_gradient:
            return super().d_squares(weights, i)
        (k, _), (h, _) = self._parts
        return weights * k * h * -self._kernels[1][0]


class EntropyLoss(Scheduled):
    """The entropy of predictions: a net that is sure of them, whatever they are, has little.

    loss = -sum(p log p) / Z over the probabilities p that are not below threshold

    Bottom:
        [0] probabilities (N, C, ...), such as Softmax's
    Top:
        [0] loss (1,)
    Backward:
        d_p = -g (1 + log p) / Z, with the loss weight in g = top[0].diff[0]; 0 where p is below the threshold.
    Raises:
        ValueError for a bottom without an axis of classes.
    References:
        Grandvalet and Bengio, "Semi-supervised Learning by Entropy Minimization", 2004; Long et al., "Unsupervised
        Domain Adaptation with Residual Transfer Networks", 2016, arXiv:1602.04433. EntropyLoss of thuml/Xlearn, with
        its entropy_param, iterations_num as threshold_iter; that calls N times the negative the loss, and has this
        gradient.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(EntropyLoss, [[[0.5, 0.5], [1.0, 0.0]]])
        >>> run.forward()[0].round(4)  # log(2) / 2
        array([0.3466])
    """

    array_api = True

    threshold = Parameter(float, 0.001, above=0, high=1, doc="probabilities below it count for nothing")
    threshold_iter = Parameter(int, 0, low=0, doc="before this iteration loss and gradient are 0")
    normalization = normalization("batch", full="the positions, without the classes", valid=None)

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def plan(self, probabilities):
        shape = tuple(probabilities.shape)
        if len(shape) < 2:
            raise checks.error(self, f"bottom[0] (probabilities) must have shape (N, C, ...), got {shape}")
        self._normalizer = normalizer(self.normalization, shape[0], shape[0] * math.prod(shape[2:]))
        return [(1,)]

    def forward(self, bottom, top):
        self._off = self.next_iteration() < self.threshold_iter
        loss = 0.0 if self._off else entropy_forward(self.xp, bottom[0].data, self.threshold).sum()
        top[0].data[...] = loss / self._normalizer

    def backward(self, top, propagate_down, bottom):
        if not propagate_down[0]:
            return
        if self._off:
            arrays.fill(bottom[0].diff, 0)
            return
        d_p = entropy_backward(self.xp, bottom[0].data, self.threshold)
        self.xp.multiply(d_p, top[0].diff[0] / self._normalizer, out=bottom[0].diff)

"""Losses that compare each sample with learned proxies, one for each class, in place of other samples.

The proxies are a learned blob. It often learns faster than the net, here 100 times, and without decay:

    layer {
      name: "proxies"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "loss"  loss_weight: 1
      param { lr_mult: 100  decay_mult: 0 }
      python_param {
        module: "caffe_pylayers.proxy_losses"  layer: "ProxyAnchorLoss"  param_str: "{'num_classes': 100}"
      }
    }
    layer {
      name: "proxies"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "loss"  loss_weight: 1
      param { lr_mult: 100  decay_mult: 0 }
      python_param {
        module: "caffe_pylayers.proxy_losses"  layer: "ProxyNCALoss"  param_str: "{'num_classes': 100}"
      }
    }
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.embeddings.proxy_loss import ProxyLoss
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_sum_exp, log_sum_exp_backward
from caffe_pylayers._layer.functions.sigmoid import softplus
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = [
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "proxy_anchor_backward",
    "proxy_anchor_forward",
    "proxy_nca_backward",
    "proxy_nca_forward",
]


# labels: int64 (N, 1), the class of each sample.


def proxy_nca_forward(xp, squares, labels, positive_in_sum=False):
    """Return (terms, sums): d_y + log(sum over c of exp(-d_c)) for each sample, and that logarithm.

    squares: d (N, C), the scaled squared distances from the proxies.
    positive_in_sum: c runs over all classes; else over all but y, and with one class the term is 0.
    """
    scores = -squares
    if not positive_in_sum:
        arrays.put_along(scores, labels, NOTHING, 1)
    sums = log_sum_exp(xp, scores)
    return xp.where(sums > NOTHING / 2, arrays.take_along(squares, labels, 1)[:, 0] + sums, 0 * sums), sums


def proxy_nca_backward(xp, squares, labels, sums, positive_in_sum=False):
    """Return the gradient of the terms' sum with respect to the squares."""
    d_squares = -log_sum_exp_backward(xp, -squares, sums[:, None])
    of_labels = 1 + arrays.take_along(d_squares, labels, 1) if positive_in_sum else 0 * sums[:, None] + 1
    arrays.put_along(d_squares, labels, of_labels, 1)
    d_squares *= (sums > NOTHING / 2)[:, None]
    return d_squares


def proxy_anchor_forward(xp, cosines, labels, same, scale=32.0, margin=0.1):
    """Return (positive, negative), terms of the samples (N,) and of the classes (C,).

    positive = log(1 + sum over the samples of its class of exp(-scale (cos - margin))), one number for the class,
    negative = log(1 + sum over the samples of other classes of exp(scale (cos + margin))).

    same: booleans (N, N), where two samples are of one class; a sample that does not count is not even its own.
    """
    own, others = _exponents(cosines, labels, scale, margin)
    arrays.put_along(others, labels, NOTHING, 1)
    arrays.put_where(others, ~same.any(1)[:, None], NOTHING)
    positive = log_sum_exp(xp, xp.where(same, own[None, :], NOTHING + 0 * own))
    return softplus(xp, positive), softplus(xp, log_sum_exp(xp, others, 0))


def proxy_anchor_backward(xp, cosines, labels, positive, negative, d_positive, d_negative, scale=32.0, margin=0.1):
    """Return d_cosines (N, C) for the gradients of each class's two terms, which are numbers."""
    own, others = _exponents(cosines, labels, scale, margin)
    d_cosines = log_sum_exp_backward(xp, others, negative)
    d_cosines *= scale * d_negative
    of_labels = log_sum_exp_backward(xp, own, positive) * (-scale * d_positive)
    arrays.put_along(d_cosines, labels, of_labels[:, None], 1)
    return d_cosines


def _exponents(cosines, labels, scale, margin):
    """Return -scale (cos - margin) of the labels, (N,), and scale (cos + margin) of all, (N, C)."""
    own = scale * margin - scale * arrays.take_along(cosines, labels, 1)[:, 0]
    return own, cosines * scale + scale * margin


class ProxyNCALoss(ProxyLoss):
    """Each sample nearer to the proxy of its class than to all others.

    loss = -sum_i log(exp(-d(x_i, p_y)) / sum over c != y of exp(-d(x_i, p_c))) / Z,
    d(x, p) = scale |x / |x| - p / |p||**2.

    Bottom:
        [0] features x (N, ...), whose values after the first axis make the vector
        [1] labels y (N,), (N, 1) or (N, 1, 1, 1): integers in [0, C)
    Top:
        [0] loss (1,)
    Backward:
        The gradient of the formula, to the features and, added, to blob 0, the proxies p (C, D); zeros to the labels.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        Movshovitz-Attias et al., "No Fuss Distance Metric Learning using Proxies", 2017, arXiv:1703.07464. With
        positive_in_sum and scale 9 ProxyNCA++ (Teh, DeVries, Taylor, 2020, arXiv:2004.01113), and NormSoftmax
        (Zhai, Wu, 2019, arXiv:1811.12649) with a temperature of 1 / (2 scale).
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = '{"num_classes": 3, "filler": "constant", "filler_value": 1}'
        >>> LayerRun(ProxyNCALoss, [[[1.0, 1.0]], [0]], param_str=text).forward()[0].round(6)  # log(2)
        array([0.693147])
    """

    scale = Parameter(float, 1.0, above=0, doc="of the squared distances, which are in [0, 4]")
    positive_in_sum = Parameter(bool, False, doc="the sum is over all classes, so that the loss is never negative")
    normalization = normalization("batch", valid="the samples without ignore_label")

    def loss_of(self, cosines, labels, valid):
        self._squares, self._labels = 2 * self.scale * (1 - cosines), labels
        terms, self._sums = proxy_nca_forward(self.xp, self._squares, labels, self.positive_in_sum)
        n = counted = len(terms)
        if valid is not None:
            counted = arrays.count_true(valid)
            terms *= valid[:, 0]
        self._normalizer = normalizer(self.normalization, n, n, counted)
        return terms.sum() / self._normalizer

    def d_cosines(self, scale):
        d_squares = proxy_nca_backward(self.xp, self._squares, self._labels, self._sums, self.positive_in_sum)
        d_squares *= -2 * self.scale / self._normalizer * scale
        return d_squares


class ProxyAnchorLoss(ProxyLoss):
    """Each proxy as an anchor of all samples of the batch, hard ones weighing more.

    loss = sum over classes in the batch of log(1 + sum over their x of exp(-scale (cos(x, p_c) - margin))) / C+
         + sum over all classes of log(1 + sum over the other x of exp(scale (cos(x, p_c) + margin))) / C,
    with C+ the number of classes in the batch.

    Bottom:
        [0] features x (N, ...), whose values after the first axis make the vector
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): integers in [0, C)
    Top:
        [0] loss (1,)
    Backward:
        The gradient of the formula, to the features and, added, to blob 0, the proxies p (C, D); zeros to the labels.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        Kim, Kim, Cho, Kwak, "Proxy Anchor Loss for Deep Metric Learning", 2020, arXiv:2003.13911, and its authors'
        code: alpha is scale, mrg is margin, filler msra.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = '{"num_classes": 2, "filler": "constant", "filler_value": 1, "scale": 1, "margin": 0}'
        >>> LayerRun(ProxyAnchorLoss, [[[1.0, 1.0]], [0]], param_str=text).forward()[0].round(6)
        array([0.969893])
    """

    scale = Parameter(float, 32.0, above=0, doc="alpha, of the cosines: the larger, the more hard samples weigh")
    margin = Parameter(float, 0.1, doc="delta, by which positives are to be above 0 and negatives below, in cosine")

    def loss_of(self, cosines, labels, valid):
        same = labels == labels.T
        if valid is not None:
            same &= (valid * valid.T) > 0
        self._cosines, self._labels = cosines, labels
        self._positive, self._negative = proxy_anchor_forward(self.xp, cosines, labels, same, self.scale, self.margin)
        count = arrays.astype(same.sum(1), cosines)  # of the sample's class
        of_class = (count > 0) / count.clip(1, None)
        classes = of_class.sum()
        self._positive_classes = arrays.at_least_one(
            classes.round() if arrays.on_device(classes) else round(float(classes))
        )
        positive = (self._positive * of_class).sum() / self._positive_classes
        return positive + self._negative.sum() / self.num_classes

    def d_cosines(self, scale):
        d_terms = scale / self._positive_classes, scale / self.num_classes
        kept = self._cosines, self._labels, self._positive, self._negative
        return proxy_anchor_backward(self.xp, *kept, *d_terms, self.scale, self.margin)

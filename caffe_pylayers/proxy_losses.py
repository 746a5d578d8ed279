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


# one_hot, others: (N, C), of 0 and 1: for each class its samples, and those that it is compared with.


def _among(exponents, chosen):
    """Return exponents, NOTHING where chosen is 0: several times as fast as a choice by booleans."""
    return exponents * chosen + (1 - chosen) * NOTHING


# --- proxy NCA ---------------------------------------------------------------------------------------


def proxy_nca_forward(xp, squares, one_hot, others):
    """Return (terms, sums): d_y + log(sum over the others c of exp(-d_c)) for each sample, and that logarithm.

    squares: d (N, C), the scaled squared distances from the proxies. A row without others has the term 0.
    """
    sums = log_sum_exp(xp, _among(-squares, others))
    return xp.where(sums > NOTHING / 2, (squares * one_hot).sum(1) + sums, 0 * sums), sums


def proxy_nca_backward(xp, squares, one_hot, others, sums):
    """Return the gradient of the terms' sum with respect to the squares."""
    d_squares = others * -log_sum_exp_backward(xp, -squares, sums[:, None])
    d_squares += one_hot * (sums > NOTHING / 2)[:, None]
    return d_squares


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

    def loss_of(self, cosines, one_hot, others):
        if self.positive_in_sum:
            others = one_hot + others
        squares = 2 * self.scale * (1 - cosines)
        terms, sums = proxy_nca_forward(self.xp, squares, one_hot, others)
        self._kept = squares, one_hot, others, sums
        valid = int(self.xp.count_nonzero(one_hot)) if self.normalization == "valid" else 0
        self._normalizer = normalizer(self.normalization, len(terms), len(terms), valid)
        return terms.sum() / self._normalizer

    def d_cosines(self, scale):
        d_squares = proxy_nca_backward(self.xp, *self._kept)
        d_squares *= -2 * self.scale / self._normalizer * scale
        return d_squares


# --- proxy anchor ------------------------------------------------------------------------------------


def proxy_anchor_forward(xp, cosines, one_hot, others, scale=32.0, margin=0.1):
    """Return (positive, negative), the terms of each class (C,).

    positive = log(1 + sum over its samples of exp(-scale (cos - margin))),
    negative = log(1 + sum over the others of exp(scale (cos + margin))).
    """
    exponents = cosines * scale
    positive = log_sum_exp(xp, _among(scale * margin - exponents, one_hot), 0)
    negative = log_sum_exp(xp, _among(scale * margin + exponents, others), 0)
    return softplus(xp, positive), softplus(xp, negative)


def proxy_anchor_backward(
    xp, cosines, one_hot, others, positive, negative, d_positive, d_negative, scale=32.0, margin=0.1
):
    """Return d_cosines (N, C), for gradients of the terms that are numbers, or (C,)."""
    exponents = cosines * scale
    d_cosines = others * log_sum_exp_backward(xp, scale * margin + exponents, negative)
    d_cosines *= scale * d_negative
    d_cosines -= one_hot * log_sum_exp_backward(xp, scale * margin - exponents, positive) * (scale * d_positive)
    return d_cosines


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

    def loss_of(self, cosines, one_hot, others):
        self._pairs = pairs = cosines, one_hot, others
        self._positive, self._negative = proxy_anchor_forward(self.xp, *pairs, self.scale, self.margin)
        self._shares = 1 / max(int(self.xp.count_nonzero(one_hot.sum(0))), 1), 1 / self.num_classes
        return self._shares[0] * self._positive.sum() + self._shares[1] * self._negative.sum()

    def d_cosines(self, scale):
        of_positive, of_negative = self._shares
        terms = self._positive, self._negative, of_positive * scale, of_negative * scale
        return proxy_anchor_backward(self.xp, *self._pairs, *terms, scale=self.scale, margin=self.margin)

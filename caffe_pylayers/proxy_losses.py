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
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING, log_sum_exp
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


def proxy_nca_forward(xp, squares, one_hot, positive_in_sum=False):
    """Return (terms, p): d_y + log(sum over c of exp(-d_c)) for each sample, and the softmax p over these c.

    squares: d (N, C), the scaled squared distances from the proxies.
    one_hot: booleans (N, C), True at the label y; the term of a row without any is 0.
    positive_in_sum: c runs over all classes; else over all but y, and with one class the term is 0.
    """
    scores = -squares if positive_in_sum else xp.where(one_hot, NOTHING, -squares)
    sums = log_sum_exp(xp, scores)
    valid = one_hot.any(1) & (sums > NOTHING / 2)
    terms = xp.where(valid, (squares * one_hot).sum(1) + sums, 0 * sums)
    return terms, xp.exp(scores - sums[:, None]) * valid[:, None]


def proxy_nca_backward(one_hot, p):
    """Return the gradient of the terms' sum with respect to the squares."""
    return arrays.astype(one_hot & (p.sum(1) > 0)[:, None], p) - p


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

    def loss_of(self, cosines, one_hot):
        self._one_hot = one_hot
        squares = 2 * self.scale * (1 - cosines)
        terms, self._p = proxy_nca_forward(self.xp, squares, one_hot, self.positive_in_sum)
        self._normalizer = normalizer(self.normalization, len(terms), len(terms), int(one_hot.sum()))
        return terms.sum() / self._normalizer

    def d_cosines(self):
        return proxy_nca_backward(self._one_hot, self._p) * (-2 * self.scale / self._normalizer)


def proxy_anchor_forward(xp, cosines, one_hot, others, scale=32.0, margin=0.1):
    """Return (positive, negative, slopes): the terms of each class (C,), and those of both by cosine, (N, C).

    positive = log(1 + sum over its samples of exp(-scale (cos - margin))),
    negative = log(1 + sum over the others of exp(scale (cos + margin))).

    cosines: (N, C). one_hot, others: booleans (N, C), the samples of each class, and those of other classes.
    """
    terms, slopes = [], []
    for chosen, sign in (one_hot, -1), (others, 1):
        exponents = xp.where(chosen, cosines * (sign * scale) + scale * margin, NOTHING)
        terms.append(softplus(xp, log_sum_exp(xp, exponents, 0)))
        slopes.append(xp.exp(exponents - terms[-1]))
        slopes[-1] *= sign * scale
    return (*terms, slopes)


def proxy_anchor_backward(slopes, positive_classes):
    """Return the gradient (N, C) of sum(positive) / positive_classes + mean(negative) with respect to the cosines."""
    positive, negative = slopes
    return positive / positive_classes + negative / max(negative.shape[1], 1)


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

    def loss_of(self, cosines, one_hot):
        others = one_hot.any(1)[:, None] & ~one_hot
        positive, negative, self._slopes = proxy_anchor_forward(
            self.xp, cosines, one_hot, others, self.scale, self.margin
        )
        self._positive_classes = max(int(one_hot.any(0).sum()), 1)
        return positive.sum() / self._positive_classes + negative.sum() / self.num_classes

    def d_cosines(self):
        return proxy_anchor_backward(self._slopes, self._positive_classes)

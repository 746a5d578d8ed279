"""The scores of the labels, changed on their way to a SoftmaxWithLoss: margins as layers of their own.

layer {
  name: "margin"  type: "Python"  bottom: "cosines"  bottom: "label"  top: "margin"
  python_param {
    module: "caffe_pylayers.label_scores"  layer: "LabelSpecificAdd"  param_str: "{bias: -0.35}"
  }
}
layer {
  name: "rescaled"  type: "Python"  bottom: "distances"  bottom: "label"  top: "rescaled"
  python_param {
    module: "caffe_pylayers.label_scores"  layer: "LabelSpecificRescale"  param_str: "{positive_weight: 1.5}"
  }
}
"""

from __future__ import annotations

import sys

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.embeddings.label_scores import LabelScores
from caffe_pylayers._layer.phases import TRAIN

__all__ = [
    "LabelSpecificAdd",
    "LabelSpecificRescale",
    "changing_weight",
    "label_add",
    "label_rescale_backward",
    "label_rescale_forward",
    "rising_bias",
]


def rising_bias(t, base, gamma=0.0, power=1.0, low=None, high=None):
    """Return the bias at forward t, from 0 on: base + (1 + gamma t)**power - 1, between low and high, where given."""
    return _between(base + _power(1 + gamma * t, power) - 1, low, high)


def changing_weight(t, base, gamma=0.0, power=1.0, low=None, high=None):
    """Return the weight at forward t, from 1 on: base (1 + gamma t)**-power, between low and high, where given."""
    return _between(base * _power(1 + gamma * t, -power), low, high)


def _power(value, exponent):
    """Return value**exponent, or the largest number there is."""
    with np.errstate(over="ignore"):
        return min(float(np.power(float(value), exponent)), sys.float_info.max)


def _between(value, low, high):
    value = value if low is None else max(value, low)
    return value if high is None else min(value, high)


def label_add(xp, labels, bias, y):
    """Add the bias to each sample's score of its label in y (N, C), where that is above -bias; y's gradient stays.

    labels: indices (N, 1).
    """
    own = arrays.take_along(y, labels, 1)
    arrays.put_along(y, labels, xp.where(own > -bias, own + bias, own), 1)


def label_rescale_forward(xp, labels, weight, others, y, only_positive=False, keep_one=False):
    """Multiply in y (N, C) each sample's score of its label by weight, all else by others; return the weights (N, 1).

    labels: indices (N, 1). only_positive: a label's score that is not above 0 has weight 1.
    keep_one: 1 - weight is added to the label's score, so that 1 stays 1.
    """
    own = arrays.take_along(y, labels, 1)
    weights = xp.ones_like(own) * weight
    if only_positive:
        weights = xp.where(own > 0, weights, xp.ones_like(own))
    own = own * weights
    if keep_one:
        own = own + (1 - weights)
    y *= others
    arrays.put_along(y, labels, own, 1)
    return weights


def label_rescale_backward(labels, weights, others, d_y):
    """Make the gradient of the scores, in place, of that of label_rescale_forward's y (N, C)."""
    own = arrays.take_along(d_y, labels, 1) * weights
    d_y *= others
    arrays.put_along(d_y, labels, own, 1)


class LabelSpecificAdd(LabelScores):
    """A bias added to the scores of the labels: the additive margin of AM-Softmax, as a layer of its own.

    y_c = x_c, but for the label's: x_y + bias, where x_y > -bias; in TEST all as they are.
    bias: a number, or with bias_base bias_base + (1 + bias_gamma t)**bias_power - 1 between those of bias_min and
    bias_max that are given, with t = start_iter + the number of forwards before.

    Bottom:
        [0] scores x (N, ...), whose values after the first axis are those of the classes
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): integers in [0, C)
    Top:
        [0] y, the shape of x; may be the bottom itself (in place)
        [1] optional: the bias (1,)
    Backward:
        d_x = d_y; zeros to the labels.
    Raises:
        ValueError for a label that is no integer in [0, C), for shapes that do not fit, and for a least value that is
        above the largest.
    References:
        Wang, Cheng, Liu, Liu, "Additive Margin Softmax for Face Verification", 2018, arXiv:1801.05599. LabelSpecificAdd
        of caffe-windows, with the fields of its label_specific_add_param; iteration is start_iter, and bias_min and
        bias_max are 0 there where they are not given. With a
        margin_heads.MarginInnerProduct of margin 1 below and a Scale above it is margin_heads.CosFace.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(LabelSpecificAdd, [[[0.5, 0.75], [0.25, 0.5]], [1, 0]], param_str="{bias: -0.5}").forward()[0]
        array([[0.5 , 0.25],
               [0.25, 0.5 ]])
    """

    bias = Parameter(float, 0.0, doc="added to the label's score; a margin is below 0")
    bias_base = Parameter(float, None, doc="the bias at first, in place of bias, where it changes in training")
    bias_gamma = Parameter(float, 0.0, low=0, doc="how fast it changes")
    bias_power = Parameter(float, 1.0, doc="how fast it changes")
    bias_min = Parameter(float, None, doc="least bias")
    bias_max = Parameter(float, None, doc="largest bias")

    def setup(self, bottom, top):
        checks.tops(self, top, "y", "bias", optional=1)
        checks.in_order(self, "bias_min", "bias_max")

    def forward(self, bottom, top):
        y, bias = top[0].data, self.bias
        y[...] = bottom[0].data
        if self.phase == TRAIN:
            if self.bias_base is not None:
                t = self.next_iteration()
                bias = rising_bias(t, self.bias_base, self.bias_gamma, self.bias_power, self.bias_min, self.bias_max)
            label_add(self.xp, self.label_indices(bottom), bias, y.reshape(self.rows))
        if len(top) > 1:
            top[1].data[...] = bias

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)


class LabelSpecificRescale(LabelScores):
    """The scores of the labels times one weight, all others times another: a margin for distances.

    y_c = negative_weight x_c, but for the label's: y_y = positive_weight x_y; in TEST all as they are.
    positive_weight: a number, or with positive_weight_base positive_weight_base (1 + gamma t)**-power between those of
    positive_weight_min and positive_weight_max that are given, with t = start_iter + the number of forwards, with this
    one.

    Bottom:
        [0] scores x (N, ...), whose values after the first axis are those of the classes
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): integers in [0, C)
    Top:
        [0] y, the shape of x; may be the bottom itself (in place)
        [1] optional: the weight of the labels (1,)
    Backward:
        d_x = d_y times the weights; zeros to the labels.
    Raises:
        ValueError for a label that is no integer in [0, C), for shapes that do not fit, and for a least value that is
        above the largest.
    References:
        LabelSpecificRescale of caffe-windows, with the fields of its label_specific_rescale_param but power_on_positive
        and do_backward; iteration is start_iter. Wan, Zhong, Li, Chen, "Rethinking Feature Distribution for Loss
        Functions in Image Classification", 2018, arXiv:1803.02988, weigh the label's distance so: 1 + alpha.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = "{positive_weight: 2, negative_weight: 0.5}"
        >>> LayerRun(LabelSpecificRescale, [[[1, 3], [5, 7]], [1, 0]], param_str=text).forward()[0]
        array([[ 0.5,  6. ],
               [10. ,  3.5]])
    """

    positive_weight = Parameter(float, 1.0, doc="of the label's score")
    negative_weight = Parameter(float, 1.0, doc="of the others")
    positive_weight_base = Parameter(float, None, doc="in TRAIN, in place of positive_weight, where it changes")
    gamma = Parameter(float, 0.0, low=0, doc="how fast it changes")
    power = Parameter(float, 1.0, doc="how fast it changes")
    positive_weight_min = Parameter(float, None, doc="least weight")
    positive_weight_max = Parameter(float, None, doc="largest weight")
    for_ip = Parameter(bool, False, doc="a label's score that is not above 0 stays")
    bias_fix = Parameter(bool, False, doc="1 - positive_weight is added to the label's score, so that 1 stays 1")
    rescale_test = Parameter(bool, False, doc="in TEST too")

    def setup(self, bottom, top):
        checks.tops(self, top, "y", "weight", optional=1)
        checks.in_order(self, "positive_weight_min", "positive_weight_max")

    def forward(self, bottom, top):
        y, weight, self._labels = top[0].data, self.positive_weight, None
        y[...] = bottom[0].data
        if self.phase == TRAIN and self.positive_weight_base is not None:
            bounds = self.positive_weight_min, self.positive_weight_max
            weight = changing_weight(
                self.next_iteration() + 1, self.positive_weight_base, self.gamma, self.power, *bounds
            )
        if self.phase == TRAIN or self.rescale_test:
            self._labels, rows = self.label_indices(bottom), y.reshape(self.rows)
            options = weight, self.negative_weight, rows, self.for_ip, self.bias_fix
            self._weights = label_rescale_forward(self.xp, self._labels, *options)
        if len(top) > 1:
            top[1].data[...] = weight

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            d_x = bottom[0].diff
            d_x[...] = top[0].diff
            if self._labels is not None:
                label_rescale_backward(self._labels, self._weights, self.negative_weight, d_x.reshape(self.rows))
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

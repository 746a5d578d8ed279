"""Classifiers by angle, with a margin: in place of the last InnerProduct, below a SoftmaxWithLoss.

    layer {
      name: "scores"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "scores"
      param { lr_mult: 1  decay_mult: 1 }
      python_param {
        module: "caffe_pylayers.margin_heads"  layer: "ArcFace"
        param_str: "{'num_classes': 1000, 'scale': 64, 'margin': 0.5}"
      }
    }
    layer {
      name: "scores"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "scores"
      param { lr_mult: 1  decay_mult: 1 }
      python_param {
        module: "caffe_pylayers.margin_heads"  layer: "CosFace"
        param_str: "{'num_classes': 1000, 'scale': 64, 'margin': 0.35}"
      }
    }
    layer {
      name: "scores"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "scores"
      param { lr_mult: 1  decay_mult: 1 }
      python_param {
        module: "caffe_pylayers.margin_heads"  layer: "MarginInnerProduct"
        param_str: "{'num_classes': 1000, 'margin': 4}"
      }
    }
    layer { name: "loss"  type: "SoftmaxWithLoss"  bottom: "scores"  bottom: "label"  top: "loss" }

Without the bottom label the scores have no margin: so they stand in a deploy net, and below an Accuracy.
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.scheduled import Scheduled
from caffe_pylayers._layer.embeddings.cosines import sines_between
from caffe_pylayers._layer.embeddings.margin_head import CosineHead, MarginHead

__all__ = [
    "ArcFace",
    "CosFace",
    "MarginInnerProduct",
    "a_softmax_backward",
    "a_softmax_forward",
    "angle_margin_backward",
    "angle_margin_forward",
    "arc_margin_backward",
    "arc_margin_forward",
    "cos_margin_backward",
    "cos_margin_forward",
    "falling_lambda",
]

# Each function is of the cosines cos(theta_y) of features with their labels' vectors.


def cos_margin_forward(cosines, margin=0.35):
    """Return cos(theta) - margin."""
    return cosines - margin


def cos_margin_backward(d_values):
    """Return d_cosines, which d_values is."""
    return d_values


def arc_margin_forward(xp, cosines, sines, margin=0.5):
    """Return cos(theta + margin).

    Where theta + margin > pi, cos(theta) - margin sin(margin) takes its place, so that it goes on falling.
    """
    values = cosines * math.cos(margin) - sines * math.sin(margin)
    return xp.where(_below_pi(cosines, margin), values, cosines - margin * math.sin(margin))


def arc_margin_backward(xp, cosines, sines, d_values, margin=0.5):
    """Return d_cosines of arc_margin_forward: d_values (cos(margin) + sin(margin) / tan(theta)), or d_values.

    The slope grows without end near 0, while that of the cosine vanishes: below the root of the rounding error its
    second part is left out.
    """
    known = sines > xp.finfo(cosines.dtype).eps ** 0.5
    slopes = math.cos(margin) + math.sin(margin) * (cosines * known) / (sines + ~known)
    return xp.where(_below_pi(cosines, margin), slopes * d_values, d_values)


def _below_pi(cosines, margin):
    """Return where theta + margin < pi."""
    return cosines > math.cos(math.pi - margin)


def angle_margin_forward(cosines, m=4):
    """Return psi = (-1)**k cos(m theta) - 2 k for theta in [k pi / m, (k + 1) pi / m]; m: 1 to 4."""
    squares = cosines * cosines
    k = _half_turns(cosines, m)
    return (1 - 2 * (k % 2)) * _CHEBYSHEV[m](cosines, squares) - 2 * k


def angle_margin_backward(cosines, d_psi, m=4):
    """Return d_cosines of angle_margin_forward, finite everywhere."""
    squares = cosines * cosines
    return (1 - 2 * (_half_turns(cosines, m) % 2)) * _CHEBYSHEV_SLOPES[m](cosines, squares) * d_psi


def _half_turns(cosines, m):
    """Return k, for theta in [k pi / m, (k + 1) pi / m]."""
    return sum((arrays.astype(cosines < math.cos(j * math.pi / m), cosines) for j in range(1, m)), 0 * cosines)


# cos(m theta) of c = cos(theta) and c**2, and its derivative by c.
_CHEBYSHEV = {
    1: lambda c, squares: c,
    2: lambda c, squares: 2 * squares - 1,
    3: lambda c, squares: (4 * squares - 3) * c,
    4: lambda c, squares: 8 * squares * (squares - 1) + 1,
}
_CHEBYSHEV_SLOPES = {
    1: lambda c, squares: 1,
    2: lambda c, squares: 4 * c,
    3: lambda c, squares: 12 * squares - 3,
    4: lambda c, squares: (32 * squares - 16) * c,
}


def a_softmax_forward(cosines, m=4, lambda_=0.0):
    """Return f = (psi + lambda cos(theta)) / (1 + lambda); a label's score is |x| f."""
    share = 1 / (1 + lambda_)
    return share * angle_margin_forward(cosines, m) + (1 - share) * cosines


def a_softmax_backward(cosines, values, d_scores, m=4, lambda_=0.0):
    """Return (d_dots, d_lengths) of the scores |x| f(dot / |x|), with dot = x w_y: d f' and d (f - cos(theta) f').

    values: f of a_softmax_forward.
    """
    share = 1 / (1 + lambda_)
    d_dots = share * angle_margin_backward(cosines, d_scores, m) + (1 - share) * d_scores
    return d_dots, values * d_scores - cosines * d_dots


def falling_lambda(t, base=1.0, gamma=0.0, power=1.0, lambda_min=0.0):
    """Return lambda at forward t: max(lambda_min, base (1 + gamma t)**-power)."""
    return max(lambda_min, base * (1 + gamma * t) ** -power)


class CosFace(CosineHead):
    """Cosines of the angles between features and class vectors, the label's less a margin.

    scores = scale cos(x, w_c) for c != y, scale (cos(x, w_y) - margin) for the label y.

    Bottom:
        [0] features x (N, ...), whose values after the first axis make the vector
        [1] labels y (N,), (N, 1) or (N, 1, 1, 1), optional: integers in [0, C). Without them there is no margin
    Top:
        [0] scores (N, C), for a SoftmaxWithLoss
    Backward:
        Of the formula, through the lengths of x and w too, to x and, added, to blob 0, the class vectors w (C, D).
        Zeros to the labels.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", 2018, arXiv:1801.09414; Wang,
        Cheng, Liu, Liu, "Additive Margin Softmax for Face Verification", 2018, arXiv:1801.05599, in whose Caffe
        it is Normalize, InnerProduct with normalize, LabelSpecificAdd and Scale. With margin 0 it is NormFace.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = '{"num_classes": 2, "scale": 10, "margin": 0.5, "filler": "constant", "filler_value": 1}'
        >>> LayerRun(CosFace, [[[1.0, 1.0]], [0]], param_str=text).forward()[0].round(6)
        array([[ 5., 10.]])
    """

    margin = Parameter(float, 0.35, low=0, doc="m, taken from the label's cosine")

    def margin_forward(self, cosines, units, vectors):
        return cos_margin_forward(cosines, self.margin)

    def margin_backward(self, d_values):
        return cos_margin_backward(d_values)


class ArcFace(CosineHead):
    """Cosines of the angles between features and class vectors, the label's angle with a margin added.

    scores = scale cos(theta_c) for c != y, scale cos(theta_y + margin) for the label y; where theta_y + margin > pi,
    scale (cos(theta_y) - margin sin(margin)).

    Bottom:
        [0] features x (N, ...), whose values after the first axis make the vector
        [1] labels y (N,), (N, 1) or (N, 1, 1, 1), optional: integers in [0, C). Without them there is no margin
    Top:
        [0] scores (N, C), for a SoftmaxWithLoss
    Backward:
        Of the formula, through the lengths of x and w too, to x and, added, to blob 0, the class vectors w (C, D);
        finite where x and w have one direction, or opposite ones. Zeros to the labels.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        Deng, Guo, Xue, Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019,
        arXiv:1801.07698, and InsightFace's code without easy_margin. margin 0.5 in radians, scale 64.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = '{"num_classes": 2, "scale": 10, "margin": 0.5, "filler": "constant", "filler_value": 1}'
        >>> LayerRun(ArcFace, [[[1.0, 1.0]], [0]], param_str=text).forward()[0].round(4)  # 10 cos(0.5)
        array([[ 8.7758, 10.    ]])
    """

    margin = Parameter(float, 0.5, low=0, high=math.pi / 2, doc="m, added to the label's angle, in radians")

    def margin_forward(self, cosines, units, vectors):
        self._cosines, self._sines = cosines, sines_between(self.xp, units, vectors)
        return arc_margin_forward(self.xp, self._cosines, self._sines, self.margin)

    def margin_backward(self, d_values):
        return arc_margin_backward(self.xp, self._cosines, self._sines, d_values, self.margin)


class MarginInnerProduct(Scheduled, MarginHead):
    """SphereFace's A-Softmax: scores |x| cos(theta_c), the label's angle multiplied by a margin.

    scores = |x| cos(theta_c) for c != y, (|x| psi(theta_y) + lambda |x| cos(theta_y)) / (1 + lambda) for the label y,
    psi = (-1)**k cos(m theta) - 2 k for theta in [k pi / m, (k + 1) pi / m], which falls from 1 to 1 - 2 m,
    lambda = max(lambda_min, base (1 + gamma t)**-power), with t = start_iter + the number of forwards, with this one.

    Bottom:
        [0] features x (N, ...), whose values after the first axis make the vector
        [1] labels y (N,), (N, 1) or (N, 1, 1, 1), optional: integers in [0, C). Without them there is no margin
    Top:
        [0] scores (N, C), for a SoftmaxWithLoss
        [1] lambda (1,), optional
    Backward:
        Of the formula, to x and, added, to blob 0, the class vectors w (C, D), through their lengths too.
        With legacy_version w gets d_scores x alone. Zeros to the labels.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        Liu et al., "SphereFace: Deep Hypersphere Embedding for Face Recognition", 2017, arXiv:1704.08063. The
        MarginInnerProduct of its Caffe: type SINGLE to QUADRUPLE is margin 1 to 4, num_output num_classes,
        weight_filler filler. With legacy_version as there: each forward scales the class vectors in blob 0 to length
        1, and their gradient leaves out margin and scaling. The count of forwards starts anew with the
        net, at start_iter. As there, each net counts its own: a test net's lambda falls with the tests.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = '{"num_classes": 2, "margin": 4, "base": 0, "filler": "constant", "filler_value": 1}'
        >>> run = LayerRun(MarginInnerProduct, [[[3.0, 0.0]], [0]], param_str=text)
        >>> run.forward()[0].round(4)  # 3 psi(45 degrees), 3 cos(45 degrees)
        array([[-3.    ,  2.1213]])
    """

    counts_tests = True

    margin = Parameter(int, 4, low=1, high=4, doc="m, by which the label's angle is multiplied")
    base = Parameter(float, 1.0, low=0, doc="lambda at first; SphereFace: 1000")
    gamma = Parameter(float, 0.0, low=0, doc="how fast lambda falls; SphereFace: 0.12")
    power = Parameter(float, 1.0, low=0, doc="how fast lambda falls")
    lambda_min = Parameter(float, 0.0, low=0, doc="lambda in the end; SphereFace: 5")
    legacy_version = Parameter(bool, False, doc="class vectors and their gradient as in SphereFace's Caffe")

    def setup(self, bottom, top):
        super().setup(bottom, top)
        checks.tops(self, top, "scores", "lambda", optional=1)

    def forward(self, bottom, top):
        self._lambda = falling_lambda(self.next_iteration() + 1, self.base, self.gamma, self.power, self.lambda_min)
        scores = top[0].data
        self.cosines_forward(bottom, scores)
        scores *= self._lengths
        if self.legacy_version:
            self.blobs[0].data[...] = self._vectors
        if len(top) > 1:
            top[1].data[...] = self._lambda

    def backward(self, top, propagate_down, bottom):
        x = bottom[0].data.reshape(self._shape)
        d_dots = self.cosines_backward(top[0].diff * 1)
        if self.legacy_version:
            self.blobs[0].diff[...] += top[0].diff.T @ x
        else:
            self.add_to_vectors(d_dots.T @ x)
        if propagate_down[0]:
            d_x = bottom[0].diff.reshape(self._shape)
            self.xp.matmul(d_dots, self._vectors, out=d_x)
            if self._labels is not None:
                d_x += self._where_valid(self._d_lengths, 0 * self._d_lengths) * self._units
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def margin_forward(self, cosines, units, vectors):
        self._cosines, self._values = cosines, a_softmax_forward(cosines, self.margin, self._lambda)
        return self._values

    def margin_backward(self, d_values):
        d_dots, self._d_lengths = a_softmax_backward(self._cosines, self._values, d_values, self.margin, self._lambda)
        return d_dots

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
from caffe_pylayers._layer.embeddings.cosines import unit_rows, unit_rows_backward
from caffe_pylayers._layer.embeddings.margin_head import CosineHead, MarginHead

__all__ = ["ArcFace", "CosFace", "MarginInnerProduct", "angle_margin", "arc_margin"]


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

    def margin_of(self, cosines, features, vectors):
        return cosines - self.margin, 1 + 0 * cosines


def arc_margin(xp, cosines, features, vectors, margin=0.5):
    """Return (values, slopes): cos(theta + margin), and its derivative by cos(theta).

    Where theta + margin > pi, cos(theta) - margin sin(margin) takes its place, so that it goes on falling.
    The sine is |x - w| |x + w| / 2, which has all its digits near 0, where sqrt(1 - cos(theta)**2) has none. The
    derivative cos(margin) + sin(margin) / tan(theta) grows without end there, while that of the cosine vanishes:
    below the root of the rounding error its second part is left out.

    cosines: cos(theta) (N, 1) of features x and vectors w (N, D), both of length 1.
    """
    apart, together = features - vectors, features + vectors
    sines = xp.sqrt((apart * apart).sum(1) * (together * together).sum(1))[:, None] / 2
    known = sines > xp.finfo(cosines.dtype).eps ** 0.5
    turned = cosines > math.cos(math.pi - margin)
    values = cosines * math.cos(margin) - sines * math.sin(margin)
    slopes = math.cos(margin) + math.sin(margin) * (cosines * known) / (sines + ~known)
    return (
        xp.where(turned, values, cosines - margin * math.sin(margin)),
        xp.where(turned, slopes, 1 + 0 * cosines),
    )


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

    def margin_of(self, cosines, features, vectors):
        return arc_margin(self.xp, cosines, features, vectors, self.margin)


def angle_margin(cosines, m):
    """Return (psi, slopes): psi = (-1)**k cos(m theta) - 2 k for theta in [k pi / m, (k + 1) pi / m], and its slopes.

    cosines: cos(theta). m: 1 to 4. The slopes are by the cosine, and finite everywhere.
    """
    squares = cosines * cosines
    polynomial, slopes = {
        1: lambda: (cosines, 1 + 0 * cosines),
        2: lambda: (2 * squares - 1, 4 * cosines),
        3: lambda: ((4 * squares - 3) * cosines, 12 * squares - 3),
        4: lambda: (8 * squares * (squares - 1) + 1, (32 * squares - 16) * cosines),
    }[m]()
    k = sum((arrays.astype(cosines < math.cos(j * math.pi / m), cosines) for j in range(1, m)), 0 * cosines)
    sign = 1 - 2 * (k % 2)
    return sign * polynomial - 2 * k, sign * slopes


class MarginInnerProduct(MarginHead):
    """SphereFace's A-Softmax: scores |x| cos(theta_c), the label's angle multiplied by a margin.

    scores = |x| cos(theta_c) for c != y, (|x| psi(theta_y) + lambda |x| cos(theta_y)) / (1 + lambda) for the label y,
    psi = (-1)**k cos(m theta) - 2 k for theta in [k pi / m, (k + 1) pi / m], which falls from 1 to 1 - 2 m,
    lambda = max(lambda_min, base (1 + gamma t)**-power), with t = iteration + the number of forwards so far.

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
        1, and their gradient leaves out margin and scaling. The count of forwards starts anew with the net; iteration
        says where. As there, forwards of a test net count for it too.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = '{"num_classes": 2, "margin": 4, "base": 0, "filler": "constant", "filler_value": 1}'
        >>> run = LayerRun(MarginInnerProduct, [[[3.0, 0.0]], [0]], param_str=text)
        >>> run.forward()[0].round(4)  # 3 psi(45 degrees), 3 cos(45 degrees)
        array([[-3.    ,  2.1213]])
    """

    margin = Parameter(int, 4, low=1, high=4, doc="m, by which the label's angle is multiplied")
    base = Parameter(float, 1.0, low=0, doc="lambda at first; SphereFace: 1000")
    gamma = Parameter(float, 0.0, low=0, doc="how fast lambda falls; SphereFace: 0.12")
    power = Parameter(float, 1.0, doc="how fast lambda falls")
    lambda_min = Parameter(float, 0.0, low=0, doc="lambda in the end; SphereFace: 5")
    iteration = Parameter(int, 0, low=0, doc="t before the first forward")
    legacy_version = Parameter(bool, False, doc="class vectors and their gradient as in SphereFace's Caffe")

    _forwards = 0

    def setup(self, bottom, top):
        super().setup(bottom, top)
        checks.tops(self, top, "scores", "lambda", optional=1)

    def forward(self, bottom, top):
        self._forwards += 1
        lambda_ = self.base * (1 + self.gamma * (self.iteration + self._forwards)) ** -self.power
        self._lambda = max(lambda_, self.lambda_min)
        self._features, self._lengths = unit_rows(self.xp, bottom[0].data.reshape(self._shape))
        self._weights, self._weight_lengths = unit_rows(self.xp, self.blobs[0].data)
        if self.legacy_version:
            self.blobs[0].data[...] = self._weights
        self._labels, valid = self.read_labels(bottom)
        scores = top[0].data
        self.xp.matmul(self._features, self._weights.T, out=scores)
        if self._labels is not None:
            self._cosines = arrays.take_along(scores, self._labels, 1).clip(-1, 1)
            self._psi, self._slopes = angle_margin(self._cosines, self.margin)
            if valid is not None:
                self._psi = self.xp.where(valid, self._psi, self._cosines)
                self._slopes = self.xp.where(valid, self._slopes, 1 + 0 * self._cosines)
            arrays.put_along(scores, self._labels, self._blend(self._psi, self._cosines), 1)
        scores *= self._lengths
        if len(top) > 1:
            top[1].data[...] = self._lambda

    def backward(self, top, propagate_down, bottom):
        d_dots = top[0].diff * 1
        if self._labels is not None:
            d_labels = arrays.take_along(d_dots, self._labels, 1)
            arrays.put_along(d_dots, self._labels, d_labels * self._blend(self._slopes, 1 + 0 * self._slopes), 1)
        features = self._features * self._lengths
        if self.legacy_version:
            self.blobs[0].diff[...] += top[0].diff.T @ features
        else:
            d_weights = unit_rows_backward(self._weights, self._weight_lengths, d_dots.T @ features)
            self.blobs[0].diff[...] += d_weights
        if propagate_down[0]:
            d_features = d_dots @ self._weights
            if self._labels is not None:
                # By |x| alone, with x w_y held: psi - cos(theta) psi' in place of the cosine's 0.
                d_lengths = d_labels * self._blend(self._psi - self._cosines * self._slopes, 0 * self._psi)
                d_features += d_lengths * self._features
            bottom[0].diff[...] = d_features.reshape(tuple(bottom[0].diff.shape))
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _blend(self, of_margin, plain):
        return (of_margin + self._lambda * plain) / (1 + self._lambda)

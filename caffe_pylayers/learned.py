"""Learned blobs: as factors, as terms, as a matrix, and as a top of their own.

layer {
  name: "scale"  type: "Python"  bottom: "score"  top: "scaled"
  python_param {
    module: "caffe_pylayers.learned"  layer: "LearnedScale"
    param_str: '{"axes": [], "exponential": true}'
  }
  param { lr_mult: 1  decay_mult: 0 }
}
layer {
  name: "shift"  type: "Python"  bottom: "feature"  top: "shifted"
  python_param { module: "caffe_pylayers.learned"  layer: "LearnedShift"  param_str: '{"axes": [2, 3]}' }
  param { lr_mult: 2  decay_mult: 0 }
}
layer {
  name: "final_flow"  type: "Python"  bottom: "flow"  top: "final_flow"
  python_param { module: "caffe_pylayers.learned"  layer: "LearnedMatrix"  param_str: "{diagonal: [2, 2.5]}" }
}
layer {
  name: "queries"  type: "Python"  top: "queries"
  python_param {
    module: "caffe_pylayers.learned"  layer: "LearnedParameter"
    param_str: '{"shape": [10, 64], "filler": "gaussian", "filler_value": 0.02}'
  }
  param { lr_mult: 1 }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.kept_input import KeptInput
from caffe_pylayers._layer.bases.learned import FILLERS, Filled, learn
from caffe_pylayers._layer.bases.learned_along import LearnedAlong
from caffe_pylayers._layer.bases.pass_through import copy

__all__ = [
    "LearnedMatrix",
    "LearnedParameter",
    "LearnedScale",
    "LearnedShift",
    "learned_matrix_backward",
    "learned_matrix_forward",
    "learned_scale_backward",
    "learned_scale_forward",
    "learned_shift_backward",
    "learned_shift_forward",
]


def learned_scale_forward(xp, values, factor, scaled):
    """Write values * factor, which broadcasts to them."""
    xp.multiply(values, factor, out=scaled)


def learned_scale_backward(xp, values, factor, d_scaled, repeated, d_values=None):
    """Write the gradient of the values, if asked for, and return that of the factor.

    repeated: the axes that the factor is repeated along.
    """
    d_factor = d_scaled * values
    if repeated:
        d_factor = d_factor.sum(repeated).reshape(factor.shape)
    if d_values is not None:
        xp.multiply(d_scaled, factor, out=d_values)
    return d_factor


def learned_shift_forward(xp, values, term, shifted):
    """Write values + term, which broadcasts to them."""
    xp.add(values, term, out=shifted)


def learned_shift_backward(d_shifted, repeated):
    """Return the gradient of the term; that of the values is d_shifted.

    repeated: the axes that the term is repeated along.
    """
    return d_shifted.sum(repeated) if repeated else d_shifted


def learned_matrix_forward(xp, values, matrix, mixed, bias=None):
    """Write matrix @ values + bias at each position, of values (N, C, P), a matrix (C, C) and bias (C,)."""
    xp.matmul(matrix, values, out=mixed)
    if bias is not None:
        mixed += bias[:, None]


def learned_matrix_backward(xp, values, matrix, d_mixed, d_matrix, d_bias=None, d_values=None):
    """Add the gradients of matrix and bias to theirs, and write that of the values; the last two if asked for."""
    d_matrix += xp.matmul(d_mixed, values.swapaxes(1, 2)).sum(0)
    if d_bias is not None:
        d_bias += d_mixed.sum((0, 2))
    if d_values is not None:
        xp.matmul(matrix.T, d_mixed, out=d_values)


class LearnedScale(LearnedAlong, KeptInput):
    """Features times a learned factor.

    y = s x, with s = blobs[0], or s = exp(blobs[0]) where exponential

    Bottom:
        [0] features x, any shape
    Top:
        [0] y, the shape of x; may be the bottom
    Learned:
        [0] the sizes of x on the axes, () for one factor of all; what has left min_value to max_value in training is
            brought back before it counts
    Backward:
        d_x = s d; d_blob += sum of d x over the other axes, times s where exponential.
    Raises:
        ValueError for axes that x does not have, and when x's sizes there change.
    References:
        Caffe's Scale with one bottom has a factor along neighbouring axes, and is the one to take for them: it is
        native, and the blobs are the same, so that a caffemodel fits both. This one has any axes, and exponential, a
        factor that stays positive: the temperature of Radford et al., "CLIP", 2021, arXiv:2103.00020, or the weights of
        losses of Kendall et al., "Multi-Task Learning Using Uncertainty", 2018, arXiv:1705.07115. Scale of
        caffe-windows has the bounds too.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(LearnedScale, [[[1, 2], [3, 4]]], param_str='{"filler_value": 2}')
        >>> run.forward()[0]
        array([[2., 4.],
               [6., 8.]])
        >>> run.backward([[[1, 1], [1, 1]]])[0], run.layer.blobs[0].diff
        (array([[2., 2.],
               [2., 2.]]), array([4., 6.]))
    """

    filler_value = Parameter(
        float,
        None,
        doc="of constant: the value (1; 0 where exponential); uniform: the bound; gaussian: the deviation",
    )
    exponential = Parameter(bool, False, doc="true: the blob holds the factor's logarithm")
    min_value = Parameter(float, None, doc="the least value of the blob")
    max_value = Parameter(float, None, doc="the largest value of the blob")

    def setup(self, bottom, top):
        checks.in_order(self, "min_value", "max_value")
        super().setup(bottom, top)

    def forward(self, bottom, top):
        values = self.keep_input(bottom, top)
        if (self.min_value, self.max_value) != (None, None):
            self.blobs[0].data[...] = self.blobs[0].data.clip(self.min_value, self.max_value)
        blob = self.blobs[0].data.reshape(self.shape)
        self._factor = self.xp.exp(blob) if self.exponential else blob
        learned_scale_forward(self.xp, values, self._factor, top[0].data)

    def backward(self, top, propagate_down, bottom):
        values, d_scaled = self.input(bottom), top[0].diff
        d_values = bottom[0].diff if propagate_down[0] else None
        d_factor = learned_scale_backward(self.xp, values, self._factor, d_scaled, self.repeated, d_values)
        blob = self.blobs[0]
        blob.diff[...] += (d_factor * self._factor if self.exponential else d_factor).reshape(blob.diff.shape)

    def filled(self, *shape, blob=0):
        if self.filler == "constant" and self.filler_value is None:
            return np.full(shape, 0.0 if self.exponential else 1.0)
        return super().filled(*shape, blob=blob)


class LearnedShift(LearnedAlong):
    """Features plus a learned term.

    y = x + b, with b = blobs[0]

    Bottom:
        [0] features x, any shape
    Top:
        [0] y, the shape of x; may be the bottom
    Learned:
        [0] the sizes of x on the axes, () for one term of all
    Backward:
        d_x = d; d_blob += sum of d over the other axes.
    Raises:
        ValueError for axes that x does not have, and when x's sizes there change.
    References:
        Caffe's Bias with one bottom, for neighbouring axes, is the one to take for them, with the same blobs. This one
        has any axes. Along the positions it is a learned position code: Dosovitskiy et al., "An Image is Worth 16x16
        Words", 2021, arXiv:2010.11929.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(LearnedShift, [[[1, 2], [3, 4]]], param_str='{"filler_value": 2, "axes": []}').forward()[0]
        array([[3., 4.],
               [5., 6.]])
    """

    def forward(self, bottom, top):
        learned_shift_forward(self.xp, bottom[0].data, self.blobs[0].data.reshape(self.shape), top[0].data)

    def backward(self, top, propagate_down, bottom):
        blob, d_shifted = self.blobs[0], top[0].diff
        blob.diff[...] += learned_shift_backward(d_shifted, self.repeated).reshape(blob.diff.shape)
        if propagate_down[0]:
            copy(d_shifted, bottom[0].diff)


class LearnedMatrix(Layer):
    """The channels of each position times a learned matrix, at first a diagonal one: a flow in other units.

    top[n, i, p] = b[i] + sum over j of W[i, j] bottom[n, j, p]

    Bottom:
        [0] features (N, C, H, W), or of any shape of two axes or more
    Top:
        [0] the shape of the bottom
    Learned:
        [0] W (C, C, 1, 1), its diagonal filled; [1] b (C,), with bias_term
    Backward:
        d_bottom = W.T d; d_W += sum of d bottom.T, d_b += sum of d, over samples and positions.
    Raises:
        ValueError for a diagonal of more values than channels, for channels that the matrix was not made for, and in
        place.
    References:
        Convolution of lmb-freiburg/flownet2 with a weight_filler of type diagonal, num_output C and kernel_size 1: so
        its deploy nets, and LiteFlowNet's, bring the flow to the size of the image.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(LearnedMatrix, [[[1, 1]]], param_str="{diagonal: [2, 3]}").forward()[0]
        array([[2., 3.]])
    """

    array_api = True

    diagonal = Parameter([float], (), doc="of W before training; 1 where it ends")
    bias_term = Parameter(bool, True, doc="b is there")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "features")
        checks.tops(self, top, "mixed")
        channels = self._channels(bottom[0].data)
        given = len(self.diagonal)
        if given > channels:
            raise checks.error(self, f"diagonal has {given} values, but bottom[0] (features) {channels} channels")
        diagonal = np.array([*self.diagonal, *[1.0] * (channels - given)])
        learn(self, np.diag(diagonal)[:, :, None, None], *[np.zeros(channels)] * self.bias_term)

    def plan(self, features):
        channels, made_for = self._channels(features), self.blobs[0].shape[0]
        if channels != made_for:
            raise checks.error(self, f"bottom[0] (features) has {channels} channels, but W was made for {made_for}")
        self._view = features.shape[0], channels, math.prod(features.shape[2:])
        return [tuple(features.shape)]

    def forward(self, bottom, top):
        features, mixed = bottom[0].data.reshape(self._view), top[0].data.reshape(self._view)
        bias = self.blobs[1].data if self.bias_term else None
        learned_matrix_forward(self.xp, features, self._matrix(self.blobs[0].data), mixed, bias)

    def backward(self, top, propagate_down, bottom):
        features, d_mixed = bottom[0].data.reshape(self._view), top[0].diff.reshape(self._view)
        d_features = bottom[0].diff.reshape(self._view) if propagate_down[0] else None
        matrix, d_matrix = (self._matrix(values) for values in (self.blobs[0].data, self.blobs[0].diff))
        d_bias = self.blobs[1].diff if self.bias_term else None
        learned_matrix_backward(self.xp, features, matrix, d_mixed, d_matrix, d_bias, d_features)

    def _matrix(self, values):
        return values.reshape(self._view[1], self._view[1])

    def _channels(self, features):
        if len(features.shape) < 2 or not features.shape[1]:
            raise checks.error(
                self, f"bottom[0] (features) must have the shape (N, C, ...), got {tuple(features.shape)}"
            )
        return features.shape[1]


class LearnedParameter(Filled):
    """A learned blob as a top.

    top = blobs[0], for each sample where there is a bottom

    Bottom:
        [0] reference (N, ...), optional: only N is used
    Top:
        [0] the shape, or (N, ...) with N copies
    Learned:
        [0] the shape
    Backward:
        d_blob += d, over all samples; the reference gets zeros.
    Raises:
        ValueError in place.
    References:
        Parameter of later Caffe, parameter_param { shape }, which fills with zeros. DummyData has the shape and the
        filler and learns nothing. The token for the class and the queries of transformers: Dosovitskiy et al., 2021,
        arXiv:2010.11929; Carion et al., "End-to-End Object Detection with Transformers", 2020, arXiv:2005.12872.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(LearnedParameter, [], param_str='{"shape": [2], "filler": "constant", "filler_value": 3}')
        >>> run.forward()[0]
        array([3., 3.])
        >>> run.backward([[1, 2]])
        []
        >>> run.layer.blobs[0].diff
        array([1., 2.])
    """

    array_api = True

    shape = Parameter([int], low=1, doc="of the blob")
    filler = Parameter(str, "constant", choices=FILLERS, doc="how the learned values are drawn, as Caffe's fillers")

    def setup(self, bottom, top):
        checks.tops(self, top, "parameter")
        learn(self, self.filled(*self.shape))

    def plan(self, reference=None):
        if reference is None:
            return [self.shape]
        return [(*reference.shape[:1], *self.shape)]

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        d_top = top[0].diff
        self.blobs[0].diff[...] += d_top.sum(0) if len(bottom) else d_top
        if len(bottom) and propagate_down[0]:
            arrays.fill(bottom[0].diff, 0)

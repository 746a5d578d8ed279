"""Attention: means of values, weighted by a softmax of scores.

layer {
  name: "attention"  type: "Python"  bottom: "query"  bottom: "key"  bottom: "value"  top: "attended"
  python_param { module: "caffe_pylayers.attention"  layer: "ScaledDotProductAttention"  param_str: "{heads: 8}" }
}
layer {
  name: "pool"  type: "Python"  bottom: "conv"  bottom: "score"  top: "pooled"
  python_param { module: "caffe_pylayers.attention"  layer: "SoftmaxPooling" }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING
from caffe_pylayers._layer.functions.softmax import softmax, softmax_backward

__all__ = [
    "ScaledDotProductAttention",
    "SoftmaxPooling",
    "attention_backward",
    "attention_forward",
    "masked_softmax",
    "softmax_pooling_backward",
    "softmax_pooling_forward",
]


def masked_softmax(xp, scores, kept=None):
    """Replace scores by their softmax over the last axis.

    kept: booleans that broadcast to them, False for those whose weight is 0, whatever they are; all of a row may be.
    """
    if scores.shape[-1] == 0:
        return
    if kept is not None:
        scores[...] = xp.where(kept, scores, NOTHING)
    softmax(xp, scores, -1, scores)
    if kept is not None:
        scores *= kept


def attention_forward(xp, queries, keys, values, scale, weights, attended, kept=None):
    """Write weights = softmax(scale queries keysᵀ) and attended = weights values.

    queries: (..., L, E). keys: (..., S, E). values: (..., S, V). kept: of masked_softmax, broadcasts to the weights.
    weights: (..., L, S). attended: (..., L, V).
    """
    xp.matmul(queries * scale, keys.swapaxes(-1, -2), out=weights)  # of all sizes here the weights' is the largest
    masked_softmax(xp, weights, kept)
    xp.matmul(weights, values, out=attended)


def attention_backward(
    xp,
    queries,
    keys,
    values,
    scale,
    weights,
    d_attended,
    d_scores,
    d_weights=None,
    d_queries=None,
    d_keys=None,
    d_values=None,
):
    """Write the gradients asked for.

    d_scores: receives the gradient of scale queries keysᵀ.
    d_weights: the weights' own gradient, where they have one.
    """
    if d_values is not None:
        xp.matmul(weights.swapaxes(-1, -2), d_attended, out=d_values)
    if d_queries is None and d_keys is None:
        return
    xp.matmul(d_attended, values.swapaxes(-1, -2), out=d_scores)
    if d_weights is not None:
        d_scores += d_weights
    softmax_backward(xp, weights, d_scores, -1, d_scores)
    if d_queries is not None:
        xp.matmul(d_scores, keys * scale, out=d_queries)
    if d_keys is not None:
        xp.matmul(d_scores.swapaxes(-1, -2), queries * scale, out=d_keys)


def softmax_pooling_forward(xp, features, weights, pooled):
    """Write pooled = weights featuresᵀ, for features (N, C, P) and weights (N, K, P): (N, K, C)."""
    xp.matmul(weights, features.swapaxes(1, 2), out=pooled)


def softmax_pooling_backward(xp, features, weights, d_pooled, d_features=None, d_weights=None):
    """Write the features' gradient, and add to d_weights, then that of the scores, where they are asked for."""
    if d_features is not None:
        xp.matmul(d_pooled.swapaxes(1, 2), weights, out=d_features)
    if d_weights is not None:
        d_weights += xp.matmul(d_pooled, features)
        softmax_backward(xp, weights, d_weights, -1, d_weights)


class ScaledDotProductAttention(Layer):
    """For each query a mean of the values, weighted by how near their keys are to it.

    top = softmax(scale Q Kᵀ) V, for each head on its E / heads columns of Q and K and V / heads of the values.

    Bottom:
        [0] queries Q (N, L, E)
        [1] keys K (N, S, E)
        [2] values V (N, S, V)
        [3] mask, optional: a key with 0 is not attended, one with another number is; (N, S) for each sample's keys,
            (N, L, S) for each query too, or (N, heads, L, S), 1 on any axis. A query without keys gets zeros.
    Top:
        [0] attended (N, L, V)
        [1] weights (N, heads, L, S), optional: sum 1 for each query
    Backward:
        The exact gradients of Q, K and V, from both tops; the mask gets zeros.
    Raises:
        ValueError for shapes that do not fit, for heads that do not divide E and V, for a mask that holds NaN, and
        in place.
    References:
        Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762; PyTorch's scaled_dot_product_attention. The
        learned projections are InnerProduct layers with axis: 2. For a map (N, C, H, W), Reshape it to (N, C, H W)
        and Permute to (N, H W, C): with scale 1, Wang et al., "Non-local Neural Networks", 2018, arXiv:1711.07971.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> queries, keys, values = [[[9, 0]]], [[[9, 0], [0, 9]]], [[[1, 2], [3, 4]]]
        >>> LayerRun(ScaledDotProductAttention, [queries, keys, values]).forward()[0].round(6)
        array([[[1., 2.]]])
    """

    array_api = True

    heads = Parameter(int, 1, low=1, doc="equal parts of the columns, each attended by itself")
    scale = Parameter(float, None, doc="of the products of queries and keys; default: 1 / sqrt(E / heads)")
    causal = Parameter(bool, False, doc="true: query i attends keys 0 .. i only")

    def setup(self, bottom, top):
        checks.tops(self, top, "attended", "weights", optional=1)

    def plan(self, queries, keys, values, mask=None):
        shapes = [tuple(x.shape) for x in (queries, keys, values)]
        sizes = [shape[i] for shape, i in zip(shapes, (2, 2, 1)) if len(shape) == 3]
        if len(sizes) < 3 or len({shape[0] for shape in shapes}) > 1 or shapes[0][2:] != shapes[1][2:]:
            raise checks.error(
                self, f"queries, keys and values must have shapes (N, L, E), (N, S, E) and (N, S, V), got {shapes}"
            )
        if shapes[1][1] != shapes[2][1]:
            raise checks.error(self, f"keys and values must be as many, got shapes {shapes[1]} and {shapes[2]}")
        if shapes[0][2] % self.heads or shapes[2][2] % self.heads:
            raise checks.error(self, f"heads {self.heads} must divide E and V, got queries and values of {shapes}")
        (count, rows, width), columns = shapes[0], shapes[1][1]
        shape = count, self.heads, rows, columns
        self._weights, self._d_scores = arrays.new(queries, shape), arrays.new(queries, shape)
        self._mask_shape = None if mask is None else self._shape_of_mask(tuple(mask.shape), shape)
        self._causal = arrays.from_numpy(np.tri(rows, columns), queries) != 0 if self.causal else None
        self._scale = self.scale if self.scale is not None else 1 / math.sqrt(max(width // self.heads, 1))
        return [(count, rows, shapes[2][2]), shape]

    def forward(self, bottom, top):
        kept = self._causal
        if self._mask_shape is not None:
            checks.numbers(self, "bottom[3] (mask)", bottom[3].data, low=-math.inf, high=math.inf)
            given = bottom[3].data.reshape(self._mask_shape) != 0
            kept = given if kept is None else kept & given
        self._split = [self._by_head(bottom[i].data) for i in range(3)]
        attended = self._by_head(top[0].data, filled=False)
        queries, keys, values = self._split
        attention_forward(self.xp, queries, keys, values, self._scale, self._weights, attended, kept)
        self._join(attended, top[0].data)
        if len(top) > 1:
            top[1].data[...] = self._weights

    def backward(self, top, propagate_down, bottom):
        diffs = [self._by_head(bottom[i].diff, filled=False) if propagate_down[i] else None for i in range(3)]
        d_attended, weights, d_scores = self._by_head(top[0].diff), self._weights, self._d_scores
        d_weights = top[1].diff if len(top) > 1 else None
        queries, keys, values = self._split
        attention_backward(
            self.xp, queries, keys, values, self._scale, weights, d_attended, d_scores, d_weights, *diffs
        )
        for i, diff in enumerate(diffs):
            if diff is not None:
                self._join(diff, bottom[i].diff)
        if len(bottom) > 3 and propagate_down[3]:
            arrays.fill(bottom[3].diff, 0)

    def _by_head(self, rows, filled=True):
        """Return (N, L, E) as (N, heads, L, E / heads): for several heads in new memory, where a product takes half."""
        view = self._head_view(rows)
        if self.heads == 1:
            return view
        split = arrays.new(rows, view.shape)
        if filled:
            split[...] = view
        return split

    def _join(self, split, rows):
        """Write what _by_head split, unless it is there."""
        if self.heads > 1:
            self._head_view(rows)[...] = split

    def _head_view(self, rows):
        count, length, columns = rows.shape
        return rows.reshape(count, length, self.heads, columns // self.heads).swapaxes(1, 2)

    def _shape_of_mask(self, mask, weights):
        whole = (*mask[:1], *(1,) * (4 - len(mask)), *mask[1:])
        if len(mask) not in (2, 3, 4) or any(size not in (1, n) for size, n in zip(whole, weights)):
            raise checks.error(
                self,
                f"bottom[3] (mask) must have shape (N, S), (N, L, S) or (N, heads, L, S), 1 on any axis, of the "
                f"weights' {weights}, got {mask}",
            )
        return whole


class SoftmaxPooling(Layer):
    """The mean of features over positions, weighted by a softmax of scores over all positions.

    top[n, k, c] = sum over positions p of w[n, k, p] x[n, c, p], w = softmax(scores) over p

    Bottom:
        [0] features x (N, C, H, W), or any axes of positions
        [1] scores (N, K, H, W): K of them, each with a mean of its own
        [2] mask (N, 1, H, W), optional: positions with 0 take no part; a sample without any gets zeros
    Top:
        [0] pooled (N, C) where K is 1, else (N, K, C)
        [1] weights w, optional, the scores' shape
    Backward:
        The exact gradients of features and scores, from both tops; the mask gets zeros.
    Raises:
        ValueError for shapes that do not fit, for a mask that holds NaN, and in place.
    References:
        Ilse et al., "Attention-based Deep Multiple Instance Learning", 2018, arXiv:1802.04712; soft attention of Xu et
        al., "Show, Attend and Tell", 2015, arXiv:1502.03044. Of Caffe's own layers: Softmax with axis, Eltwise of equal
        shapes and Pooling.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(SoftmaxPooling, [[[[1, 2, 9]]], [[[50, 50, 0]]]]).forward()[0].round(6)
        array([[1.5]])
    """

    array_api = True

    def setup(self, bottom, top):
        checks.tops(self, top, "pooled", "weights", optional=1)

    def plan(self, features, scores, mask=None):
        shape, scored = tuple(features.shape), tuple(scores.shape)
        if len(shape) < 3 or (shape[0], *shape[2:]) != (scored[:1] + scored[2:]) or len(scored) < 3:
            raise checks.error(
                self, f"features and scores must have shapes (N, C, H, W) and (N, K, H, W), got {shape} and {scored}"
            )
        if mask is not None and tuple(mask.shape) != (shape[0], 1, *shape[2:]):
            raise checks.error(
                self, f"bottom[2] (mask) must have shape {(shape[0], 1, *shape[2:])}, got {tuple(mask.shape)}"
            )
        count, self._positions = shape[0], math.prod(shape[2:])
        self._pooled_shape = count, scored[1], shape[1]
        self._weights = arrays.new(scores, (*scored[:2], self._positions))
        return [(count, shape[1]) if scored[1] == 1 else self._pooled_shape, scored]

    def forward(self, bottom, top):
        self._weights[...] = self._flat(bottom[1].data)
        kept = None
        if len(bottom) > 2:
            checks.numbers(self, "bottom[2] (mask)", bottom[2].data, low=-math.inf, high=math.inf)
            kept = self._flat(bottom[2].data) != 0
        masked_softmax(self.xp, self._weights, kept)
        softmax_pooling_forward(
            self.xp, self._flat(bottom[0].data), self._weights, top[0].data.reshape(self._pooled_shape)
        )
        if len(top) > 1:
            top[1].data[...] = self._weights.reshape(top[1].data.shape)

    def backward(self, top, propagate_down, bottom):
        features, d_pooled = self._flat(bottom[0].data), top[0].diff.reshape(self._pooled_shape)
        d_features = self._flat(bottom[0].diff) if propagate_down[0] else None
        d_weights = None
        if propagate_down[1]:
            d_weights = self._flat(bottom[1].diff)
            d_weights[...] = self._flat(top[1].diff) if len(top) > 1 else 0
        softmax_pooling_backward(self.xp, features, self._weights, d_pooled, d_features, d_weights)
        if len(bottom) > 2 and propagate_down[2]:
            arrays.fill(bottom[2].diff, 0)

    def _flat(self, maps):
        return maps.reshape(*maps.shape[:2], self._positions)

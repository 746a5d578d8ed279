"""Products of two blobs: of matrices, of all values of two vectors, and of channels with a factor each.

layer {
  name: "matmul"  type: "Python"  bottom: "a"  bottom: "b"  top: "product"
  python_param { module: "caffe_pylayers.products"  layer: "MatMul"  param_str: "{transpose_b: true}" }
}
layer {
  name: "outer"  type: "Python"  bottom: "a"  bottom: "b"  top: "outer"
  python_param { module: "caffe_pylayers.products"  layer: "OuterProduct" }
}
layer {
  name: "excited"  type: "Python"  bottom: "gate"  bottom: "residual"  bottom: "shortcut"  top: "excited"
  python_param { module: "caffe_pylayers.products"  layer: "Axpy" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.blocks import blocks, part, sum_to

__all__ = [
    "Axpy",
    "InnerProductBlob",
    "MatMul",
    "OuterProduct",
    "axpy_backward",
    "axpy_forward",
    "matmul_backward",
    "matmul_forward",
    "outer_backward",
    "outer_forward",
]


def matmul_forward(xp, a, b, product):
    """Write the product of the last two axes: (..., M, K) and (..., K, N) give (..., M, N)."""
    xp.matmul(a, b, out=product)


def matmul_backward(xp, a, b, d_product, d_a=None, d_b=None):
    """Write the gradients asked for: d_a = d_product bᵀ, d_b = aᵀ d_product, summed over axes that were repeated."""
    if d_a is not None:
        _matmul_summed(xp, d_product, b.swapaxes(-1, -2), d_a)
    if d_b is not None:
        _matmul_summed(xp, a.swapaxes(-1, -2), d_product, d_b)


def _matmul_summed(xp, a, b, product):
    """Write the matrix product, summed over the batch axes on which it has more than the array that receives it."""
    if _batch(a, b) == tuple(product.shape[:-2]):
        if a.ndim == b.ndim:
            xp.matmul(a, b, out=product)
        else:  # torch folds the batch axes into one, which a transposed view has not
            product[...] = xp.matmul(a, b)
        return
    whole = xp.matmul(a, b)
    added = whole.ndim - product.ndim
    repeated = [added + i for i, size in enumerate(product.shape[:-2]) if size == 1]
    product[...] = whole.sum((*range(added), *repeated)).reshape(product.shape)


def _batch(a, b):
    """Return the sizes of the product's axes before the last two; None where they do not fit."""
    axes = max(a.ndim, b.ndim)
    pairs = list(zip(*((*(1,) * (axes - x.ndim), *x.shape[:-2]) for x in (a, b))))
    if any(n != m and 1 not in (n, m) for n, m in pairs):
        return None
    return tuple(m if n == 1 else n for n, m in pairs)


def outer_forward(xp, a, b, outer):
    """Write outer[n, i, j, p] = a[n, i, p] b[n, j, p]."""
    xp.multiply(a[:, :, None], b[:, None], out=outer)


def outer_backward(xp, a, b, d_outer, d_a=None, d_b=None):
    """Write the gradients asked for."""
    if d_a is not None:
        d_a[...] = (d_outer * b[:, None]).sum(2)
    if d_b is not None:
        d_b[...] = (d_outer * a[:, :, None]).sum(1)


def axpy_forward(xp, a, x, y, out):
    """Write a x + y. a: (N, C, 1). x, y: (N, C, M)."""
    for block in blocks(x):
        xp.multiply(x[block], part(a, block), out=out[block])
        out[block] += y[block]


def axpy_backward(xp, a, x, d_out, d_a=None, d_x=None, d_y=None):
    """Write the gradients asked for: d_a = sum(d x) over the positions, d_x = a d, d_y = d."""
    if d_a is not None:
        arrays.fill(d_a, 0)
        for block in blocks(x):
            place = part(d_a, block)
            place += sum_to(d_out[block] * x[block], place.shape)
    if d_x is not None:
        xp.multiply(d_out, a, out=d_x)
    if d_y is not None:
        d_y[...] = d_out


class MatMul(Layer):
    """The matrix product of two blobs.

    top = A B over the last two axes, for each index of those before.

    Bottom:
        [0] A (..., M, K), or (..., K, M) with transpose_a
        [1] B (..., K, N), or (..., N, K) with transpose_b; batch axes as A's, or 1 or missing in front, which repeats
    Top:
        [0] (..., M, N)
    Backward:
        d_A = d Bᵀ, d_B = Aᵀ d, transposed where the bottom is, and summed over batch axes that were repeated.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        numpy's matmul, ONNX's MatMul. Caffe's InnerProduct multiplies by a learned matrix, this by a blob. MatMul of
        sophgo/caffe is it with transpose_b, and its dim_1, dim_2, dim_3 as sizes.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(MatMul, [[[1, 2]], [[3, 4], [5, 6]]], param_str='{"transpose_b": true}')
        >>> run.forward()[0]
        array([[11., 17.]])
        >>> run.backward([[[1, 0]]])
        [array([[3., 4.]]), array([[1., 2.],
               [0., 0.]])]
    """

    array_api = True

    transpose_a = Parameter(bool, False, doc="bottom[0] holds A with its last two axes swapped")
    transpose_b = Parameter(bool, False, doc="bottom[1] holds B with its last two axes swapped")
    sizes = Parameter(
        (int,) * 3, None, low=1, doc="M, K, N, of the matrices that the bottoms hold, whatever their axes"
    )

    def setup(self, bottom, top):
        checks.tops(self, top, "product")

    def plan(self, a, b):
        if self.sizes is not None:
            rows, inner, columns = self.sizes
            for i, (blob, values) in enumerate(((a, rows * inner), (b, inner * columns))):
                if math.prod(blob.shape) != values:
                    raise checks.error(
                        self, f"bottom[{i}] of shape {tuple(blob.shape)} has not the {values} values of {self.sizes}"
                    )
            return [(rows, columns)]
        shapes = f"bottom[0] of shape {tuple(a.shape)} and bottom[1] of shape {tuple(b.shape)}"
        if min(a.ndim, b.ndim) < 2:
            raise checks.error(self, f"needs two axes or more of each bottom, got {shapes}")
        a, b = self._sides(a, b)
        (rows, inner), (inner_b, columns) = a.shape[-2:], b.shape[-2:]
        if inner != inner_b:
            raise checks.error(self, f"A has {inner} columns and B {inner_b} rows, got {shapes}")
        batch = _batch(a, b)
        if batch is None:
            raise checks.error(self, f"batch axes must be equal, or 1, got {shapes}")
        return [(*batch, rows, columns)]

    def forward(self, bottom, top):
        a, b = self._sides(bottom[0].data, bottom[1].data)
        matmul_forward(self.xp, a, b, top[0].data)

    def backward(self, top, propagate_down, bottom):
        a, b = self._sides(bottom[0].data, bottom[1].data)
        d_a, d_b = self._sides(*(bottom[i].diff if propagate_down[i] else None for i in range(2)))
        matmul_backward(self.xp, a, b, top[0].diff, d_a, d_b)

    def _sides(self, a, b):
        """Return A and B of what the bottoms have."""
        if self.sizes is not None:
            rows, inner, columns = self.sizes
            a = a if a is None else a.reshape((inner, rows) if self.transpose_a else (rows, inner))
            b = b if b is None else b.reshape((columns, inner) if self.transpose_b else (inner, columns))
        if self.transpose_a and a is not None:
            a = a.swapaxes(-1, -2)
        if self.transpose_b and b is not None:
            b = b.swapaxes(-1, -2)
        return a, b


class OuterProduct(Layer):
    """All products of a value of one vector with a value of another, at every position.

    top[n, i, j, ...] = a[n, i, ...] b[n, j, ...]

    Bottom:
        [0] a (N, I, ...)
        [1] b (N, J, ...), the axes after the second as a's
    Top:
        [0] (N, I, J, ...); with flatten (N, I J, ...), with as_map (N, 1, I, J)
    Backward:
        d_a[n, i] = sum over j of d[n, i, j] b[n, j], and so for b.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        numpy's outer, for a batch: of einsum, "ni...,nj...->nij...". The fusion of Lin et al., "Bilinear CNN Models for
        Fine-grained Visual Recognition", 2015, arXiv:1504.07889, without its sum: see BilinearPooling. OuterProduct of
        thuml/Xlearn is it with as_map, of features and predictions.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(OuterProduct, [[[1, 2]], [[3, 4, 5]]]).forward()[0]
        array([[[ 3.,  4.,  5.],
                [ 6.,  8., 10.]]])
    """

    array_api = True

    flatten = Parameter(bool, False, doc="true: the pairs on one axis, i J + j")
    as_map = Parameter(bool, False, doc="true: the pairs of two vectors as the positions of a map of one channel")

    def setup(self, bottom, top):
        checks.tops(self, top, "outer")
        if self.flatten and self.as_map:
            raise checks.error(self, "of flatten and as_map only one may be true")

    def plan(self, a, b):
        if a.ndim < 2 or b.ndim < 2 or a.shape[:1] != b.shape[:1] or a.shape[2:] != b.shape[2:]:
            raise checks.error(
                self,
                f"needs shapes (N, I, ...) and (N, J, ...), equal after the second axis, got bottom[0] of shape "
                f"{tuple(a.shape)} and bottom[1] of shape {tuple(b.shape)}",
            )
        self._shape = a.shape[0], a.shape[1], b.shape[1], *a.shape[2:]
        if self.as_map:
            if math.prod(a.shape[2:]) > 1:
                raise checks.error(self, f"as_map needs vectors, got bottom[0] of shape {tuple(a.shape)}")
            return [(a.shape[0], 1, *self._shape[1:3])]
        pairs = (a.shape[1] * b.shape[1],) if self.flatten else self._shape[1:3]
        return [(a.shape[0], *pairs, *a.shape[2:])]

    def forward(self, bottom, top):
        outer_forward(self.xp, bottom[0].data, bottom[1].data, top[0].data.reshape(self._shape))

    def backward(self, top, propagate_down, bottom):
        d_a, d_b = (bottom[i].diff if propagate_down[i] else None for i in range(2))
        outer_backward(self.xp, bottom[0].data, bottom[1].data, top[0].diff.reshape(self._shape), d_a, d_b)


class InnerProductBlob(Layer):
    """The inner products of the samples of one blob with those of another: its weights, which something computed.

    top[m, n] = sum over k of a[m, k] b[n, k]

    Bottom:
        [0] a (M, ...), K values a sample
        [1] b (N, ...), as many
    Top:
        [0] (M, N, 1, 1); without spatial_axes (M, N)
    Backward:
        d_a = d b, d_b = dᵀ a.
    Raises:
        ValueError for samples of other sizes, and in place.
    References:
        InnerProductBlob of peteanderson80/bottom-up-attention, which has no gradient; without spatial_axes InnerProduct
        of caffe-windows with two bottoms. MatMul with transpose_b, but for the axes of bottoms and top.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(InnerProductBlob, [[[1, 2]], [[3, 4], [5, 6]]]).forward()[0].ravel()
        array([11., 17.])
    """

    array_api = True

    spatial_axes = Parameter(bool, True, doc="the top has two more axes, of size 1")

    def setup(self, bottom, top):
        checks.tops(self, top, "products")

    def plan(self, a, b):
        self._shapes = [(x.shape[0], math.prod(x.shape[1:])) if x.ndim else (1, 1) for x in (a, b)]
        (rows, inner), (columns, inner_b) = self._shapes
        if inner != inner_b:
            raise checks.error(
                self,
                f"bottom[0] {tuple(a.shape)} has {inner} values a sample, bottom[1] {tuple(b.shape)} {inner_b}",
            )
        return [(rows, columns, *(1, 1) * self.spatial_axes)]

    def forward(self, bottom, top):
        a, b = (bottom[i].data.reshape(self._shapes[i]) for i in range(2))
        matmul_forward(self.xp, a, b.swapaxes(0, 1), top[0].data.reshape(len(a), len(b)))

    def backward(self, top, propagate_down, bottom):
        a, b = (bottom[i].data.reshape(self._shapes[i]) for i in range(2))
        d_a, d_b = (bottom[i].diff.reshape(self._shapes[i]) if propagate_down[i] else None for i in range(2))
        d_b = d_b if d_b is None else d_b.swapaxes(0, 1)
        matmul_backward(self.xp, a, b.swapaxes(0, 1), top[0].diff.reshape(len(a), len(b)), d_a, d_b)


class Axpy(Layer):
    """Channels with a factor each, plus another blob: the end of a squeeze-and-excitation block.

    top = a x + y

    Bottom:
        [0] a (N, C) or (N, C, 1, 1)
        [1] x (N, C, ...)
        [2] y, the shape of x
    Top:
        [0] the shape of x
    Backward:
        d_a = sum over the positions of d x; d_x = a d; d_y = d.
    Raises:
        ValueError for shapes that do not fit, and in place.
    References:
        Hu et al., "Squeeze-and-Excitation Networks", 2018, arXiv:1709.01507. Axpy of SENet's Caffe; of stock Caffe's
        types Scale with axis 0, and Eltwise.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Axpy, [[[2, -1]], [[[1, 2], [3, 4]]], [[[1, 1], [1, 1]]]]).forward()[0]
        array([[[ 3.,  5.],
                [-2., -3.]]])
    """

    array_api = True

    def setup(self, bottom, top):
        checks.tops(self, top, "sum")

    def plan(self, a, x, y):
        shape = tuple(x.shape)
        if len(shape) < 2 or tuple(a.shape[:2]) != shape[:2] or math.prod(a.shape[2:]) != 1:
            raise checks.error(
                self,
                f"bottom[0] must have the shape (N, C) of bottom[1] (N, C, ...), got {tuple(a.shape)} and {shape}",
            )
        checks.same_shape(self, "bottom[2]", y.shape, "bottom[1]", shape)
        self._view = *shape[:2], math.prod(shape[2:])
        return [shape]

    def forward(self, bottom, top):
        a, x, y = self._seen(*(bottom[i].data for i in range(3)))
        axpy_forward(self.xp, a, x, y, top[0].data.reshape(self._view))

    def backward(self, top, propagate_down, bottom):
        a, x, _ = self._seen(bottom[0].data, bottom[1].data)
        gradients = self._seen(*(bottom[i].diff if propagate_down[i] else None for i in range(3)))
        axpy_backward(self.xp, a, x, top[0].diff.reshape(self._view), *gradients)

    def _seen(self, a, x, y=None):
        """Return the arrays of the bottoms, or None, as the formulas have them."""
        views = (*self._view[:2], 1), self._view, self._view
        return [blob if blob is None else blob.reshape(view) for blob, view in zip((a, x, y), views)]

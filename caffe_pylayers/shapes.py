"""Blobs with their axes in another order, reversed, repeated, reduced, or with rows taken by an index.

layer {
  name: "permute"  type: "Python"  bottom: "conv"  top: "permuted"
  python_param { module: "caffe_pylayers.shapes"  layer: "Permute"  param_str: '{"order": [0, 2, 3, 1]}' }
}
layer {
  name: "reverse"  type: "Python"  bottom: "lstm_input"  top: "rlstm_input"
  python_param { module: "caffe_pylayers.shapes"  layer: "Reverse" }
}
layer {
  name: "tile"  type: "Python"  bottom: "pooled"  bottom: "conv"  top: "tiled"
  python_param { module: "caffe_pylayers.shapes"  layer: "Tile"  param_str: '{"axes": [2, 3]}' }
}
layer {
  name: "mean"  type: "Python"  bottom: "conv"  top: "mean"
  python_param {
    module: "caffe_pylayers.shapes"  layer: "Reduce"
    param_str: '{"operation": "mean", "axes": [2, 3]}'
  }
}
layer {
  name: "gather"  type: "Python"  bottom: "feature"  bottom: "index"  top: "rows"
  python_param { module: "caffe_pylayers.shapes"  layer: "Gather" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.rearrangement import Rearrangement
from caffe_pylayers._layer.functions.reductions import OPERATIONS, reduce_backward, reduce_forward

__all__ = [
    "Gather",
    "Permute",
    "Reduce",
    "Reverse",
    "Tile",
    "gather_backward",
    "gather_forward",
    "tile_backward",
    "tile_forward",
]


def tile_forward(values, tiles, tiled):
    """Write the values, tiles[i] times one after another along each axis i.

    tiled: receives them, (tiles[0] * values.shape[0], ...).
    """
    blocks, once = _blocks(tiles, values.shape)
    tiled.reshape(blocks)[...] = values.reshape(once)


def tile_backward(d_tiled, tiles, d_values):
    """Write the gradient of the values: the sum over their copies."""
    blocks, once = _blocks(tiles, d_values.shape)
    copies = tuple(axis for axis in range(0, len(blocks), 2) if blocks[axis] != 1)
    seen = d_tiled.reshape(blocks)
    d_values.reshape(once)[...] = seen.sum(copies).reshape(once) if copies else seen


def _blocks(tiles, shape):
    """Return the tiled shape and that of the values with two axes for each: the copy, and the place in it."""
    pairs = list(zip(tiles, shape))
    return [n for pair in pairs for n in pair], [n for _, size in pairs for n in (1, size)]


def _padded(shape, axes):
    return (*shape, *(1,) * (axes - len(shape)))


def gather_forward(values, index, gathered):
    """Write rows of the values, gathered = values[index].

    values: (R, T). index: int64, flat, in [0, R). gathered: receives them, (len(index), T).
    """
    arrays.take_rows_into(values, index, gathered)


def gather_backward(index, d_gathered, d_values):
    """Write the gradient of the values: each row gets the sum over its copies."""
    arrays.fill(d_values, 0)
    arrays.add_rows(d_values, index, d_gathered)


class Permute(Rearrangement):
    """The axes in another order.

    Axis i of the top is axis order[i] of the bottom.

    Bottom:
        [0] features, any shape
    Top:
        [0] its sizes in that order
    Backward:
        The top's gradient with its axes back in order.
    Raises:
        ValueError for an axis that is none of the bottom's or comes twice, and in place.
    References:
        Permute of weiliu89/caffe (SSD), permute_param { order }, and Transpose of tianzhi0549/CTPN, transpose_param
        { dim }.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Permute, [[[1, 2, 3], [4, 5, 6]]], param_str='{"order": [1, 0]}').forward()[0]
        array([[1., 4.],
               [2., 5.],
               [3., 6.]])
    """

    order = Parameter([int], low=0, doc="axes of the bottom; those left out follow in ascending order")

    def arrangement(self, shape):
        rest = [axis for axis in range(len(shape)) if axis not in self.order]
        order = (*self.order, *rest)
        if sorted(order) != list(range(len(shape))):
            raise checks.error(
                self, f"order {list(self.order)} must have axes of bottom[0] of shape {shape}, none of them twice"
            )
        return shape, order, [shape[axis] for axis in order]


class Reverse(Layer):
    """A blob with the places along an axis in reverse order: time backwards, a picture mirrored.

    Place i of the top is place n - 1 - i of the bottom, of n along the axis.

    Bottom:
        [0] features, any shape
        [1] optional, for steps and streams (T, N, ...): n of each stream (N,); the steps behind it stay where they are
    Top:
        [0] the shape of the features
    Backward:
        The top's gradient, reversed. Zeros to the lengths.
    Raises:
        ValueError for an axis that the bottom has not, lengths that do not fit, and in place.
    References:
        Reverse of tianzhi0549/CTPN, with its reverse_param; ReverseTime of ChWick/caffe, with lengths; PyTorch's flip.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Reverse, [[[1, 2], [3, 4]]]).forward()[0]
        array([[3., 4.],
               [1., 2.]])
    """

    array_api = True

    axis = Parameter(int, 0, doc="the axis that is reversed")

    _order = None

    def setup(self, bottom, top):
        checks.tops(self, top, "reversed")

    def plan(self, features, lengths=None):
        shape = tuple(features.shape)
        self._axis = checks.axis(self, self.axis, len(shape), f"bottom[0] of shape {shape}")
        if lengths is not None:
            if self._axis or len(shape) < 2 or tuple(lengths.shape) != shape[1:2]:
                raise checks.error(
                    self,
                    f"with bottom[1] (lengths) axis is 0 and bottom[0] has a stream for each length, got axis "
                    f"{self._axis} and shapes {shape}, {tuple(lengths.shape)}",
                )
            self._view = (*shape[:2], math.prod(shape[2:]))
        return [shape]

    def forward(self, bottom, top):
        if len(bottom) > 1:
            self._order = self._places(bottom[1].data)
        self._reverse(bottom[0].data, top[0].data)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self._reverse(top[0].diff, bottom[0].diff)
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _places(self, lengths):
        """Return the step that each step of each stream is taken from, (T, N, 1)."""
        most = self._view[0]
        good = (lengths >= 0) & (lengths <= most) & (lengths == self.xp.floor(lengths))
        checks.every(self, "length", lengths, good, f"is none in [0, {most}]")
        lengths = arrays.to_int64(lengths).clip(0, most)
        steps = arrays.arange_like(lengths, most)[:, None]
        return self.xp.where(steps < lengths, lengths - 1 - steps, steps)[..., None]

    def _reverse(self, values, to):
        if self._order is None:
            to[...] = self.xp.flip(values, (self._axis,))
        else:
            to.reshape(self._view)[...] = arrays.take_along(values.reshape(self._view), self._order, 0)


class Tile(Layer):
    """A blob repeated along any axes.

    top = bottom[0], tiles[i] times one after another along each axis i.

    Bottom:
        [0] features x, any shape
        [1] reference, optional, in place of tiles and shape: only its shape is used; on the axes, or on all axes where
            x has size 1, x is repeated to the reference's size
    Top:
        [0] x repeated
    Backward:
        Each value of x gets the sum over its copies; the reference gets zeros.
    Raises:
        ValueError for sizes that are no multiples of x's, where there is not one of tiles, shape and reference, and in
        place.
    References:
        numpy's tile; with the shape, PyTorch's expand. Caffe's Tile repeats along one axis, a number of times that the
        prototxt has to say.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Tile, [[[1, 2]]], param_str='{"tiles": [2, 2]}').forward()[0]
        array([[1., 2., 1., 2.],
               [1., 2., 1., 2.]])
    """

    array_api = True

    tiles = Parameter([int], (), low=1, doc="copies along each axis; trailing axes that x lacks are added to it")
    shape = Parameter([int], (), low=0, doc="sizes of the top, 0 for x's own; each a multiple of x's")
    axes = Parameter([int], (), doc="with a reference: the axes to repeat along; default: all where x has size 1")

    def setup(self, bottom, top):
        checks.tops(self, top, "tiled")
        if (len(bottom) > 1) + bool(self.tiles) + bool(self.shape) != 1:
            raise checks.error(self, "needs one of bottom[1] (reference), the parameter tiles and the parameter shape")
        if self.axes and len(bottom) < 2:
            raise checks.error(self, "parameter axes is for a bottom[1] (reference), and there is none")

    def plan(self, features, reference=None):
        if reference is not None:
            wanted = self._shape_of(tuple(features.shape), tuple(reference.shape))
        elif self.tiles:
            wanted = [n * size for n, size in zip(self.tiles, _padded(features.shape, len(self.tiles)))]
        else:
            wanted = [n or size for n, size in zip(self.shape, _padded(features.shape, len(self.shape)))]
        self._whole = _padded(features.shape, len(wanted))
        if len(self._whole) != len(wanted) or any(n % size if size else n for n, size in zip(wanted, self._whole)):
            raise checks.error(
                self, f"bottom[0] of shape {tuple(features.shape)} cannot be repeated to shape {tuple(wanted)}"
            )
        self._tiles = [n // size if size else 1 for n, size in zip(wanted, self._whole)]
        return [wanted]

    def forward(self, bottom, top):
        tile_forward(bottom[0].data.reshape(self._whole), self._tiles, top[0].data)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            tile_backward(top[0].diff, self._tiles, bottom[0].diff.reshape(self._whole))
        if len(bottom) > 1 and propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _shape_of(self, features, reference):
        whole = _padded(features, len(reference))
        what = f"bottom[1] (reference) of shape {reference}"
        axes = [checks.axis(self, axis, len(reference), what) for axis in self.axes]
        if not axes:
            return [n if size == 1 else size for n, size in zip(reference, whole)] + list(whole[len(reference) :])
        return [reference[i] if i in axes else size for i, size in enumerate(whole)]


class Reduce(Layer):
    """One value of all along some axes: their mean, sum, extreme, norm or log-sum-exp.

    mean: sum(x) / n    sum: sum(x)    max, min    norm: sqrt(sum(x**2))    logsumexp: log(sum(exp(x)))

    Bottom:
        [0] features x, any shape
    Top:
        [0] x's shape without the axes, or with 1 there
    Backward:
        mean: d / n; sum: d; norm: d x / norm, 0 where the norm is 0; logsumexp: d softmax(x); max and min: d for the
        extreme, in equal shares where several values are it.
    Raises:
        ValueError for an axis that is none of the bottom's or comes twice, for max, min and logsumexp of no values, and
        in place.
    References:
        PyTorch's mean, sum, amax, amin, linalg.vector_norm and logsumexp. Caffe's Reduction has sums and means,
        over all axes from one on.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Reduce, [[[1, 4], [3, 3]]], param_str='{"operation": "max", "axes": [1]}')
        >>> run.forward()[0]
        array([4., 3.])
        >>> run.backward([[1, 1]])[0]
        array([[0. , 1. ],
               [0.5, 0.5]])
    """

    array_api = True

    operation = Parameter(str, choices=OPERATIONS, doc="what becomes of the values along the axes")
    axes = Parameter([int], length=(1, None), doc="negative ones count from the end")
    keepdims = Parameter(bool, False, doc="true: the axes stay, with size 1")

    def setup(self, bottom, top):
        checks.tops(self, top, "reduced")

    def plan(self, features):
        shape, what = tuple(features.shape), f"bottom[0] of shape {tuple(features.shape)}"
        self._axes = tuple(checks.axis(self, axis, len(shape), what) for axis in self.axes)
        if len(set(self._axes)) != len(self._axes):
            raise checks.error(self, f"axes {list(self.axes)} name an axis of {what} twice")
        if self.operation in ("max", "min", "logsumexp") and 0 in [shape[axis] for axis in self._axes]:
            raise checks.error(self, f"{self.operation} needs values along axes {list(self.axes)}, got {what}")
        self._kept = [1 if axis in self._axes else size for axis, size in enumerate(shape)]
        self._reduced = arrays.new(features, self._kept)
        return [self._kept if self.keepdims else [n for axis, n in enumerate(shape) if axis not in self._axes]]

    def forward(self, bottom, top):
        reduce_forward(self.xp, bottom[0].data, self.operation, self._axes, self._reduced)
        top[0].data[...] = self._reduced.reshape(top[0].data.shape)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            values, d_reduced = bottom[0].data, top[0].diff.reshape(self._kept)
            reduce_backward(self.xp, values, self.operation, self._axes, self._reduced, d_reduced, bottom[0].diff)


class Gather(Layer):
    """Rows of a blob, chosen by an index.

    top = take(x, index, axis): for axis 0, top[i, ...] = x[index[i], ...].

    Bottom:
        [0] features x, any shape
        [1] index, integers in [0, x.shape[axis]), any shape that begins with x's first batch_axes sizes
    Top:
        [0] x's shape, with the index's shape, without its batch axes, in place of the axis
    Backward:
        Each row of x gets the sum over its copies, zeros where there is none; the index gets zeros.
    Raises:
        ValueError for an index outside the axis, or shapes that do not fit, and in place.
    References:
        numpy's take, TensorFlow's gather with batch_dims, ONNX's Gather. Caffe's BatchReindex is axis 0.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Gather, [[[1, 2], [3, 4]], [1, 1, 0]])
        >>> run.forward()[0]
        array([[3., 4.],
               [3., 4.],
               [1., 2.]])
        >>> run.backward([[[1, 1], [1, 1], [1, 1]]])[0]
        array([[1., 1.],
               [2., 2.]])
    """

    array_api = True

    axis = Parameter(int, 0, doc="the axis to choose along; negative counts from the end")
    batch_axes = Parameter(int, 0, low=0, doc="leading axes with an index of their own; 1: each sample has its own")

    def setup(self, bottom, top):
        checks.tops(self, top, "gathered")

    def plan(self, features, index):
        shape, batch = tuple(features.shape), self.batch_axes
        axis = checks.axis(self, self.axis, len(shape), f"bottom[0] (features) of shape {shape}")
        if axis < batch or tuple(index.shape[:batch]) != shape[:batch] or len(index.shape) < batch:
            raise checks.error(
                self,
                f"bottom[1] (index) must have a shape that begins with {shape[:batch]}, and axis {self.axis} must come "
                f"after these batch axes, got bottom[0] of shape {shape} and bottom[1] of {tuple(index.shape)}",
            )
        samples, between, self._size = math.prod(shape[:batch]), math.prod(shape[batch:axis]), shape[axis]
        self._rows = samples * between * self._size, math.prod(shape[axis + 1 :])
        self._index_shape = samples, 1, math.prod(index.shape[batch:])
        # Row i of the group g of rows that an index chooses from is row i + g * size of all.
        groups = arrays.arange_like(arrays.new(features, (0,), int), samples * between)
        self._starts = (groups * self._size).reshape(samples, between, 1)
        return [(*shape[:axis], *index.shape[batch:], *shape[axis + 1 :])]

    def forward(self, bottom, top):
        index, _ = checks.class_labels(self, bottom[1].data, self._size, noun="row")
        self._index = (index.reshape(self._index_shape) + self._starts).ravel()
        gathered = top[0].data.reshape(len(self._index), self._rows[1])
        gather_forward(bottom[0].data.reshape(self._rows), self._index, gathered)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            d_gathered = top[0].diff.reshape(len(self._index), self._rows[1])
            gather_backward(self._index, d_gathered, bottom[0].diff.reshape(self._rows))
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

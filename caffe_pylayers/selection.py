"""Rows and values chosen: by label, by a mask, by the largest score.

layer {
  name: "select"  type: "Python"  bottom: "feature"  bottom: "label"  top: "chosen"  top: "chosen_label"
  python_param { module: "caffe_pylayers.selection"  layer: "SelectRows"  param_str: "{ignore_label: -1}" }
}
layer {
  name: "mask"  type: "Python"  bottom: "feature"  bottom: "mask"  top: "masked"
  python_param { module: "caffe_pylayers.selection"  layer: "Mask" }
}
layer {
  name: "labels"  type: "Python"  bottom: "score"  top: "label"
  python_param { module: "caffe_pylayers.selection"  layer: "ArgMaxLabels" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.kept_input import KeptInput
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.blocks import sum_to

__all__ = [
    "ArgMaxLabels",
    "Mask",
    "SelectRows",
    "argmax_labels_forward",
    "chosen_rows",
    "mask_backward",
    "mask_forward",
]


def chosen_rows(xp, labels, ignore_label, only=()):
    """Return the int64 index of the rows whose label is not ignore_label and, with some given, one of ``only``.

    labels: one for each row, flat.
    """
    chosen = labels != ignore_label
    if only:
        among = labels == only[0]
        for label in only[1:]:
            among |= labels == label
        chosen &= among
    return xp.where(chosen)[0]


def mask_forward(xp, values, mask, fill_value, masked):
    """Write mask * values + (1 - mask) * fill_value, which is fill_value at 0 whatever the value there is."""
    masked[...] = xp.where(mask == 0, xp.zeros_like(values), values)
    masked *= mask
    if fill_value:
        masked += (1 - mask) * fill_value


def mask_backward(xp, values, mask, fill_value, d_masked, d_values=None, d_mask=None):
    """Write the gradients asked for; d_mask has 1 on axes that the mask is repeated along."""
    if d_mask is not None:
        d_mask[...] = sum_to(d_masked * (values - fill_value if fill_value else values), d_mask.shape)
    if d_values is not None:
        xp.multiply(d_masked, mask, out=d_values)


def argmax_labels_forward(scores, axis, labels, threshold=None, ignore_label=-1):
    """Write the place of the largest score along the axis, the first of equal ones.

    labels: receives them, scores' shape without the axis.
    threshold: where the largest score is below it, the label is ignore_label.
    """
    place = arrays.argmax(scores, axis)
    labels[...] = place
    if threshold is not None:
        enough = (scores >= threshold).any(axis)
        labels *= enough
        labels += ignore_label * ~enough


class SelectRows(Layer):
    """The rows of a batch whose label counts, with their labels.

    tops = the rows i of every bottom with label[i] != ignore_label.

    Where no row is chosen the tops have one all the same, zeros with the label ignore_label: a loss that ignores this
    label is 0 there, and no layer meets a blob without values, with which Caffe cannot work.

    Bottom:
        [0] features (N, ...)
        [1] labels (N,) or (N, 1, 1, 1)
        [2] more (N, ...), optional, such as targets or weights of the rows
    Top:
        [0] features (M, ...), M the number of rows chosen, at least 1
        [1] labels (M, ...), the rest as in bottom[1]
        [2] more (M, ...), where there is a bottom[2]
    Backward:
        Each chosen row of features and more gets its gradient, others zeros; the labels get zeros.
    Raises:
        ValueError for bottoms that are not as many rows, for another number of tops than of bottoms, and in place.
    References:
        Caffe's Filter takes a selector blob, and gives no row where there is none.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(SelectRows, [[[1, 2], [3, 4], [5, 6]], [0, -1, 7]], tops=2).forward()
        [array([[1., 2.],
               [5., 6.]]), array([0., 7.])]
    """

    array_api = True

    ignore_label = Parameter(int, -1, doc="rows with this label are left out")
    labels = Parameter([int], (), doc="where given, only rows with one of these labels are chosen")

    def setup(self, bottom, top):
        checks.tops(self, top, "features", "labels", *(("more",) if len(bottom) == 3 else ()))

    def plan(self, features, labels, more=None):
        shapes = [tuple(x.shape) for x in (features, labels, more) if x is not None]
        if not all(shapes) or len({shape[0] for shape in shapes}) > 1 or math.prod(shapes[1][1:]) != 1:
            raise checks.error(self, f"needs features (N, ...), labels (N,) and [more] (N, ...), got shapes {shapes}")
        return [(max(shape[0], 1), *shape[1:]) for shape in shapes]

    def forward(self, bottom, top):
        self._rows = chosen_rows(self.xp, bottom[1].data.ravel(), self.ignore_label, self.labels)
        count = len(self._rows)
        for i in range(len(top)):
            top[i].reshape(max(count, 1), *bottom[i].shape[1:])
            if count:
                top[i].data[...] = bottom[i].data[self._rows]
            else:
                arrays.fill(top[i].data, self.ignore_label if i == 1 else 0)

    def backward(self, top, propagate_down, bottom):
        for i in range(len(bottom)):
            if propagate_down[i]:
                arrays.fill(bottom[i].diff, 0)
                if i != 1 and len(self._rows):
                    bottom[i].diff[self._rows] = top[i].diff


class Mask(KeptInput):
    """Values kept where a mask is 1, and replaced where it is 0.

    y = m x + (1 - m) fill_value

    Bottom:
        [0] features x, any shape
        [1] mask m, the shape of x, or 1 on any axis; missing trailing axes count as 1, so (N,) masks samples and
            (N, 1, H, W) positions. Any numbers: between 0 and 1 they mix.
    Top:
        [0] y, the shape of x; may be bottom[0]
    Backward:
        d_x = m d, d_m = sum of d (x - fill_value) over the axes it is repeated along.
    Raises:
        ValueError for a mask that does not fit.
    References:
        With fill_value 0 it is Caffe's Eltwise PROD for equal shapes, and Scale with two bottoms for a mask of x's
        leading or trailing axes. The fill_value: PyTorch's masked_fill. To leave positions out of a loss, give it the
        mask as weights.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Mask, [[[1, 2], [3, 4]], [1, 0]], param_str='{"fill_value": 9}').forward()[0]
        array([[1., 2.],
               [9., 9.]])
    """

    array_api = True
    in_place = True

    fill_value = Parameter(float, 0.0, doc="value where the mask is 0; -1e4 before a softmax leaves the position out")

    def setup(self, bottom, top):
        checks.tops(self, top, "masked")

    def plan(self, features, mask):
        names = "bottom[1] (mask)", "bottom[0] (features)"
        self._mask_shape = checks.broadcasts(self, names[0], mask.shape, names[1], features.shape)
        return [features.shape]

    def forward(self, bottom, top):
        values, mask = self.keep_input(bottom, top), bottom[1].data.reshape(self._mask_shape)
        mask_forward(self.xp, values, mask, self.fill_value, top[0].data)

    def backward(self, top, propagate_down, bottom):
        values, mask = self.input(bottom), bottom[1].data.reshape(self._mask_shape)
        d_values = bottom[0].diff if propagate_down[0] else None
        d_mask = bottom[1].diff.reshape(self._mask_shape) if propagate_down[1] else None
        mask_backward(self.xp, values, mask, self.fill_value, top[0].diff, d_values, d_mask)


class ArgMaxLabels(NoGradient):
    """The label of the largest score: the inverse of one-hot codes.

    top = argmax of x along the axis, the first of equal ones.

    Bottom:
        [0] scores x (N, C), (N, C, H, W) or any shape with the classes on the axis
    Top:
        [0] labels (N,), (N, H, W): x's shape without the axis; with keepdims (N, 1), (N, 1, H, W)
    Backward:
        Zeros.
    Raises:
        ValueError for an axis that is none of the scores', or has no classes, and in place.
    References:
        Caffe's ArgMax with axis, whose top has 1 on the axis, and which has no threshold. With one it makes
        pseudo-labels: Lee, "Pseudo-Label", 2013, and Sohn et al., "FixMatch", 2020, arXiv:2001.07685.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ArgMaxLabels, [[[0, 1, 0], [0.4, 0.2, 0.4]]]).forward()[0]
        array([1., 0.])
    """

    array_api = True

    axis = Parameter(int, 1, doc="the class axis; negative counts from the end")
    keepdims = Parameter(bool, False, doc="true: the axis stays, with size 1")
    threshold = Parameter(float, None, doc="positions whose largest score is below it get ignore_label")
    ignore_label = Parameter(int, -1, doc="label of positions below the threshold")

    def setup(self, bottom, top):
        checks.tops(self, top, "labels")

    def plan(self, scores):
        shape = tuple(scores.shape)
        self._axis = checks.class_axis(self, "bottom[0] (scores)", shape)
        before, after = shape[: self._axis], shape[self._axis + 1 :]
        self._shape = before + after
        return [(*before, 1, *after) if self.keepdims else self._shape]

    def forward(self, bottom, top):
        labels = top[0].data.reshape(self._shape)
        argmax_labels_forward(bottom[0].data, self._axis, labels, self.threshold, self.ignore_label)

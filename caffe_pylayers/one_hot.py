"""One-hot codes of class labels.

layer {
  name: "one_hot"  type: "Python"
  bottom: "label"  bottom: "ip2"  top: "one_hot_label"
  python_param { module: "caffe_pylayers.one_hot"  layer: "label2one_hot" }
}
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.functions.one_hot_codes import class_starts, one_hot_forward

__all__ = ["label2one_hot", "one_hot_forward"]


class label2one_hot(NoGradient):
    """Labels to one-hot codes, shaped like the features they belong to.

    top[n, c, ...] = on_value where c is the label at (n, ...), off_value elsewhere.

    Bottom:
        [0] labels (N,), (N, 1, 1, 1), (N, 1, H, W) or (N, H, W): integers in [0, C), any dtype
        [1] features (N, C) or (N, C, H, W), optional when num_classes is given: only the shape
            is used. The labels' axes, those of size 1 left out, are the features' without the
            class axis.
    Top:
        [0] one-hot codes: the shape of the features; without features, the shape of the labels
            with C on the class axis: there in place of a 1, else as an axis more
        [1] valid, optional: 1 where there is a label and 0 where it is ignore_label, shaped
            like top[0] with 1 on the class axis. A weight bottom for EuclideanLossLayer.
    Backward:
        Zeros: the codes do not depend on the features' values. Caffe does ask for the
        features' gradient and adds it to the loss's, so it has to be written.
    Raises:
        ValueError for a label that is no integer in [0, C), and for shapes that do not fit.
    References:
        ONNX's OneHot, for labels that have a place for the class; smoothing as in Szegedy et al.,
        "Rethinking the Inception Architecture for Computer Vision", 2016, arXiv:1512.00567.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(label2one_hot, [[2, 0]], param_str='{"num_classes": 3}').forward()[0]
        array([[0., 0., 1.],
               [1., 0., 0.]])
    """

    array_api = True

    num_classes = Parameter(int, None, low=1, doc="C; default: the size of the features' class axis")
    axis = Parameter(int, 1, doc="the class axis in the top; negative counts from the end")
    ignore_label = Parameter(int, None, doc="positions with this label get off_value in every class")
    on_value = Parameter(float, 1.0, doc="value at the label's class; smoothing eps: 1 - eps + eps / C")
    off_value = Parameter(float, 0.0, doc="value at every other class; smoothing eps: eps / C")

    def setup(self, bottom, top):
        checks.tops(self, top, "one_hot", "valid", optional=1)
        if len(bottom) == 1 and self.num_classes is None:
            raise checks.error(self, "needs bottom[1] (features) or the parameter num_classes")

    def plan(self, labels, features=None):
        if features is None:
            shape, axis = self._shape_from_labels(labels.shape)
        else:
            shape, axis = self._shape_of_features(labels.shape, features.shape)
        self._class_axis, self._classes = axis, arrays.arange_like(labels, shape[axis])
        self._starts = class_starts(arrays.to_int64(labels), shape, axis)
        return shape, (*shape[:axis], 1, *shape[axis + 1 :])

    def forward(self, bottom, top):
        labels, valid = checks.class_labels(self, bottom[0].data, self._classes, self.ignore_label)
        one_hot_forward(labels, top[0].data, self._class_axis, self.on_value, self.off_value, valid, self._starts)
        if len(top) == 2:
            top[1].data[...] = 1 if valid is None else valid.reshape(top[1].data.shape)

    def _shape_of_features(self, labels, features):
        axis = checks.axis(self, self.axis, len(features), f"bottom[1] (features) of shape {tuple(features)}")
        classes = features[axis]
        if self.num_classes not in (None, classes):
            raise checks.error(
                self,
                f"parameter num_classes is {self.num_classes}, but bottom[1] (features) of shape "
                f"{tuple(features)} has {classes} classes on axis {axis}",
            )
        checks.one_label_each(self, "bottom[0] (labels)", labels, "bottom[1] (features)", features, axis)
        return tuple(features), axis

    def _shape_from_labels(self, labels):
        axis = checks.axis(self, self.axis, len(labels) + 1, f"top[0] for labels of shape {tuple(labels)}")
        after = labels[axis + 1 :] if tuple(labels[axis : axis + 1]) == (1,) else labels[axis:]
        return (*labels[:axis], self.num_classes, *after), axis

"""One-hot codes of class labels.

layer {
  name: "one_hot"  type: "Python"
  bottom: "label"  bottom: "ip2"  top: "one_hot_label"
  python_param { module: "caffe_pylayers.one_hot"  layer: "label2one_hot" }
}
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter

__all__ = ["label2one_hot", "one_hot_forward"]


def one_hot_forward(positions, one_hot, on_value=1.0, off_value=0.0):
    """Write on_value at the flat ``positions`` of the array one_hot and off_value everywhere else."""
    arrays.fill(one_hot, off_value)
    one_hot.ravel()[positions] = on_value


class label2one_hot(Layer):
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
    """

    array_api = True

    num_classes = Parameter(int, None, low=1, doc="C; default: the size of the features' class axis")
    axis = Parameter(int, 1, doc="the class axis in the top; negative counts from the end")
    ignore_label = Parameter(int, None, doc="positions with this label get off_value in every class")
    on_value = Parameter(float, 1.0, doc="value at the label's class; smoothing eps: 1 - eps + eps / C")
    off_value = Parameter(float, 0.0, doc="value at every other class; smoothing eps: eps / C")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "labels", "features", optional=1)
        checks.tops(self, top, "one_hot", "valid", optional=1)
        if len(bottom) == 1 and self.num_classes is None:
            raise checks.error(self, "needs bottom[1] (features) or the parameter num_classes")
        self._bottoms, self._tells_valid = range(len(bottom)), len(top) == 2
        self._shapes = []

    def reshape(self, bottom, top):
        shapes = [bottom[i].data.shape for i in self._bottoms]
        if shapes != self._shapes:
            self._plan(bottom[0].data, *map(tuple, shapes))
            self._shapes = shapes
        top[0].reshape(*self._shape)
        if self._tells_valid:
            top[1].reshape(*self._valid_shape)

    def forward(self, bottom, top):
        labels = bottom[0].data.ravel()
        positions = checks.class_labels(self, labels, self._shapes[0], self._classes, self.ignore_label)
        if self._stride != 1:
            positions *= self._stride
        positions += self._starts
        valid = None
        if self.ignore_label is not None:
            valid = labels != self.ignore_label
            positions = positions[valid]
        one_hot_forward(positions, top[0].data, self.on_value, self.off_value)
        if self._tells_valid:
            top[1].data[...] = 1 if valid is None else valid.reshape(self._valid_shape)

    def backward(self, top, propagate_down, bottom):
        for i in self._bottoms:
            if propagate_down[i]:
                arrays.fill(bottom[i].diff, 0)

    def _plan(self, labels, *shapes):
        """The top's shape, and for each label the flat position in the top of its class 0."""
        self._shape, axis = self._like_features(*shapes) if len(shapes) == 2 else self._from_labels(*shapes)
        before, after = self._shape[:axis], self._shape[axis + 1 :]
        self._valid_shape = (*before, 1, *after)
        self._stride = math.prod(after)
        classes = self._shape[axis]
        self._classes = arrays.arange_like(labels, classes)
        label = arrays.arange_like(arrays.to_int64(labels), math.prod(self._valid_shape))
        self._starts = label + label // max(self._stride, 1) * (classes - 1) * self._stride

    def _like_features(self, labels, features):
        axis = checks.axis(self, self.axis, len(features), f"bottom[1] (features) of shape {features}")
        classes = features[axis]
        if self.num_classes not in (None, classes):
            raise checks.error(
                self,
                f"parameter num_classes is {self.num_classes}, but bottom[1] (features) of shape "
                f"{features} has {classes} classes on axis {axis}",
            )
        wanted = features[:axis] + features[axis + 1 :]
        if [n for n in labels if n != 1] != [n for n in wanted if n != 1]:
            raise checks.error(
                self,
                f"bottom[0] (labels) must have shape {wanted}, one label for each position of "
                f"bottom[1] (features) of shape {features} with classes on axis {axis}, got {labels}",
            )
        return features, axis

    def _from_labels(self, labels):
        axis = checks.axis(self, self.axis, len(labels) + 1, f"top[0] for labels of shape {labels}")
        after = labels[axis + 1 :] if labels[axis : axis + 1] == (1,) else labels[axis:]
        return (*labels[:axis], self.num_classes, *after), axis

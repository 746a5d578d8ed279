"""How well a label map is met, over a whole test pass.

layer {
  name: "iou"  type: "Python"  include { phase: TEST }
  bottom: "score"  bottom: "label"  top: "mean_iou"  top: "iou"
  python_param { module: "caffe_pylayers.segmentation_metrics"  layer: "MeanIoU"  param_str: '{"ignore_label": 255}' }
}
layer {
  name: "pixels"  type: "Python"  include { phase: TEST }
  bottom: "score"  bottom: "label"  top: "pixel_accuracy"  top: "mean_accuracy"
  python_param {
    module: "caffe_pylayers.segmentation_metrics"  layer: "PixelAccuracy"  param_str: '{"ignore_label": 255}'
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.metrics.class_metric import count, mean, ratio
from caffe_pylayers._layer.metrics.confusion import ConfusionMetric

__all__ = ["BoundaryIoU", "MeanIoU", "PixelAccuracy", "SegAccuracy", "inner_region", "intersection_over_union"]


def intersection_over_union(confusion):
    """Return each class's intersection over union, NaN for one that is neither a label nor predicted.

        iou_c = m_cc / (sum_j m_cj + sum_i m_ic - m_cc)

    confusion: m (C, C), labels by row and predictions by column.
    """
    hits = np.diagonal(confusion)
    return ratio(hits, confusion.sum(0) + confusion.sum(1) - hits)


def inner_region(xp, maps, distance):
    """Return where a label map has one label in the whole square of this distance: booleans (N, H, W).

    It is each class's region, eroded; beyond the map is another label.
    """
    inner = arrays.new(maps, maps.shape, bool)
    arrays.fill(inner, 0)
    _, height, width = maps.shape
    side = 2 * distance + 1
    if height < side or width < side:
        return inner
    along_rows = _all_of(xp, maps[:, :, 1:] == maps[:, :, :-1], side - 1, 2)
    along_columns = _all_of(xp, maps[:, 1:] == maps[:, :-1], side - 1, 1)[:, :, distance : width - distance]
    inner[:, distance : height - distance, distance : width - distance] = along_columns & _all_of(
        xp, along_rows, side, 1
    )
    return inner


def _all_of(xp, flags, width, axis):
    """Return whether so many flags in a row, from each on, are all True."""
    sums = xp.swapaxes(xp.cumsum(flags, axis), 0, axis)
    found = sums[width - 1 :] == width
    found[1:] = sums[width:] - sums[:-width] == width
    return xp.swapaxes(found, 0, axis)


class MeanIoU(ConfusionMetric):
    """Intersection over union of predicted and true regions, by class and in the mean: IoU and mIoU.

    iou_c = #(P_c and L_c) / #(P_c or L_c) over all positions of the pass, P_c where c is predicted
    and L_c where c is the label; mean = mean(iou_c, classes that occur), in the labels or predicted.

    Bottom:
        [0] scores (N, C, H, W), with the classes on the axis; or, with num_classes given, predicted
            classes, shaped like the labels
        [1] labels (N, H, W) or (N, 1, H, W), integers in [0, C); any other shape with one label for
            each position
        [2] weights, optional: shaped like the labels, or (N,). Default: 1
    Top:
        [0] mean (1,)
        [1] iou by class, optional, (C,): 0 for a class that does not occur
        [2] frequency weighted mean, optional, (1,): sum(f_c iou_c), f_c the share of labels c: FWIoU
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label, or a predicted class, that is no integer in [0, C), for scores that are NaN
        where a label counts, and for shapes that do not fit.
    References:
        Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", 2015,
        https://doi.org/10.1007/s11263-014-0733-5; Long, Shelhamer and Darrell, "Fully Convolutional
        Networks for Semantic Segmentation", 2015, arXiv:1411.4038, with score.py's four numbers. The
        mean_iou of SegNet's and PSPNet's SegAccuracy. Published layers give the mean of images or of
        batches, in which a class that is absent counts as 0, 1 or NaN.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> predicted, labels = [[0, 0, 1, 1]], [[0, 1, 1, 1]]
        >>> LayerRun(MeanIoU, [predicted, labels], param_str="num_classes: 2", tops=2).forward()[1].round(3)
        array([0.5  , 0.667])
    """

    exclude = Parameter([int], (), low=0, doc="classes left out of both means, such as the background")

    def setup(self, bottom, top):
        checks.tops(self, top, "mean", "iou by class", "frequency weighted mean", optional=2)

    def plan(self, scores, labels, weights=None):
        classes = self._plan_confusion(scores, labels, weights)
        if max(self.exclude, default=0) >= classes:
            raise checks.error(self, f"parameter exclude must hold classes in [0, {classes}), got {list(self.exclude)}")
        return [(1,), (classes,), (1,)]

    def values(self):
        iou = intersection_over_union(self._matrix)
        counted = iou.copy()
        counted[list(self.exclude)] = np.nan
        return mean(counted), iou, mean(counted, self._matrix.sum(1))


class PixelAccuracy(ConfusionMetric):
    """The share of positions whose class is predicted: of all, and in the mean of the classes.

    overall = sum_c m_cc / sum_ij m_ij; mean = mean(m_cc / sum_j m_cj, classes with labels), with
    m_ij the count of label i and prediction j.

    Bottom:
        [0] scores (N, C, H, W), with the classes on the axis; or, with num_classes given, predicted
            classes, shaped like the labels
        [1] labels (N, H, W) or (N, 1, H, W), integers in [0, C); any other shape with one label for
            each position
        [2] weights, optional: shaped like the labels, or (N,). Default: 1
    Top:
        [0] overall (1,)
        [1] mean, optional, (1,)
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label, or a predicted class, that is no integer in [0, C), for scores that are NaN
        where a label counts, and for shapes that do not fit.
    References:
        Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015,
        arXiv:1411.4038: its pixel and mean accuracy (mAcc). SegNet's SegAccuracy. The overall accuracy of a
        pass is Caffe's Accuracy, where no position is ignored and no scores are equal.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> predicted, labels = [[0, 0, 1, 1]], [[0, 1, 1, 1]]
        >>> LayerRun(PixelAccuracy, [predicted, labels], param_str="num_classes: 2", tops=2).forward()[1].round(3)
        array([0.833])
    """

    def setup(self, bottom, top):
        checks.tops(self, top, "overall", "mean", optional=1)

    def plan(self, scores, labels, weights=None):
        self._plan_confusion(scores, labels, weights)
        return [(1,), (1,)]

    def values(self):
        hits, labels = np.diagonal(self._matrix), self._matrix.sum(1)
        return ratio(hits.sum(), labels.sum()), mean(ratio(hits, labels))


class SegAccuracy(ConfusionMetric):
    """Pixel accuracy, mean accuracy and mean IoU in one top: DeepLab's and PSPNet's measure.

    top = (sum_c m_cc / sum_ij m_ij, mean(m_cc / sum_j m_cj, classes with labels), mean(iou_c, all C classes)),
    with m_ij the count of label i and prediction j; iou_c is 1 for a class that does not occur.

    Bottom:
        [0] scores (N, C, H, W), with the classes on the axis; or, with num_classes given, predicted
            classes, shaped like the labels
        [1] labels (N, 1, H, W) or (N, H, W), integers in [0, C)
        [2] weights, optional: shaped like the labels, or (N,). Default: 1
    Top:
        [0] the three (1, 1, 1, 3)
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label, or a predicted class, that is no integer in [0, C), for scores that are NaN
        where a label counts, and for shapes that do not fit.
    References:
        SegAccuracy of DeepLab's and PSPNet's Caffe, whose reset is here report: batch, and whose reset: false is
        report: running, but that a test pass begins anew; of equal scores the last one is predicted. MeanIoU and
        PixelAccuracy leave classes out that do not occur, and predict the first of equal scores.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> predicted, labels = [[0, 0, 1, 1]], [[0, 1, 1, 1]]
        >>> LayerRun(SegAccuracy, [predicted, labels], param_str="num_classes: 3").forward()[0].round(3)
        array([[[[0.75 , 0.833, 0.722]]]])
    """

    ignore_label = Parameter([int], (), doc="positions with one of these labels do not count")

    def setup(self, bottom, top):
        checks.tops(self, top, "accuracies")

    def plan(self, scores, labels, weights=None):
        self._plan_confusion(scores, labels, weights)
        return [(1, 1, 1, 3)]

    def values(self):
        hits, labels = np.diagonal(self._matrix), self._matrix.sum(1)
        iou = intersection_over_union(self._matrix)
        overall, recall = ratio(hits.sum(), labels.sum()), mean(ratio(hits, labels))
        return [np.array([overall, recall, np.where(np.isnan(iou), 1, iou).mean()])]

    def _labels(self, bottom):
        labels, first = bottom[1].data, next(iter(self.ignore_label), None)
        for other in self.ignore_label[1:]:
            labels = self.xp.where(labels == other, first, labels)
        return checks.class_labels(self, labels, self._classes, first)

    def _predicted_classes(self, bottom, valid):
        if self.num_classes is not None:
            return super()._predicted_classes(bottom, valid)
        last_first = self.xp.flip(self._scores(bottom, valid), (self._axis,))
        return self._classes - 1 - arrays.argmax(last_first, self._axis).ravel()


class BoundaryIoU(ConfusionMetric):
    """Intersection over union of the regions' boundaries, which large regions do not hide.

    iou_c = #(P_c and L_c) / #(P_c or L_c) over all positions of the pass, of P_c and L_c, the
    predicted and the true region of c, only what is within the distance of its outline;
    mean = mean(iou_c, classes that occur).

    Bottom:
        [0] scores (N, C, H, W), with the classes on the axis; or, with num_classes given, predicted
            classes, shaped like the labels
        [1] labels (N, H, W) or (N, 1, H, W), integers in [0, C)
        [2] weights, optional: shaped like the labels, or (N,). Default: 1
    Top:
        [0] mean (1,)
        [1] iou by class, optional, (C,): 0 for a class that does not occur
    Backward:
        Zeros: a count has no gradient.
    Raises:
        ValueError for a label, or a predicted class, that is no integer in [0, C), for scores that are NaN
        where a label counts, and for shapes that are no maps.
    References:
        Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", 2021,
        arXiv:2103.16562. Positions of ignore_label do not count, and end a region.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> labels = np.zeros((1, 8, 8))
        >>> labels[:, 2:7, 2:7] = 1
        >>> param_str = '{"num_classes": 2, "distance": 1}'
        >>> LayerRun(BoundaryIoU, [np.roll(labels, 1, 2), labels], param_str=param_str).forward()[0].round(3)
        array([0.485])
    """

    distance = Parameter(int, None, low=1, doc="from the outline, in pixels; default: dilation_ratio says")
    dilation_ratio = Parameter(
        float, 0.02, above=0, doc="the distance over the map's diagonal, rounded, at least 1 pixel"
    )

    def setup(self, bottom, top):
        checks.tops(self, top, "mean", "iou by class", optional=1)

    def plan(self, scores, labels, weights=None):
        classes = self._plan_confusion(scores, labels, weights)
        if len(self._positions) < 3:
            raise checks.error(self, f"bottom[1] (labels) must be maps (N, H, W), got shape {tuple(labels.shape)}")
        self._distance = self.distance or max(round(self.dilation_ratio * float(np.hypot(*self._positions[-2:]))), 1)
        return [(1,), (classes,)]

    def start(self):
        self._both, self._predicted, self._true = np.zeros((3, self._classes))

    def update(self, bottom):
        labels, valid = self._labels(bottom)
        predicted, weights = self._predicted_classes(bottom, valid), self._weights(bottom, valid)
        if valid is not None:  # in both maps, what is not looked at is a region of its own
            apart = self.xp.full_like(labels, self._classes)
            labels, predicted = self.xp.where(valid, labels, apart), self.xp.where(valid, predicted, apart)
        true, guess = self._boundary(labels), self._boundary(predicted)
        if valid is not None:
            true, guess = true & valid, guess & valid
        both = true & guess & (labels == predicted)
        self._true += count(self.xp, labels, self._classes, weights, true)
        self._predicted += count(self.xp, predicted, self._classes, weights, guess)
        self._both += count(self.xp, predicted, self._classes, weights, both)

    def values(self):
        iou = ratio(self._both, self._true + self._predicted - self._both)
        return mean(iou), iou

    def _boundary(self, flat):
        height, width = self._positions[-2:]
        maps = flat.reshape(flat.shape[0] // max(height * width, 1), height, width)
        return ~inner_region(self.xp, maps, self._distance).ravel()

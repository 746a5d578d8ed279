"""What YOLO nets learn from: errors of the boxes, of what is an object, and of its class, at the cells of a map.

layer {
  name: "loss"  type: "Python"
  bottom: "conv19"  bottom: "label"  top: "loss"
  python_param {
    module: "caffe_pylayers.yolo_losses"  layer: "Yolov3Loss"
    param_str: "{num_classes: 20, anchors: [10,14, 23,27, 37,58, 81,82, 135,169, 344,319], mask: [3, 4, 5], "
               "stride: 32, thresh: 0.6}"
  }
  loss_weight: 1
}
layer {
  name: "loss"  type: "Python"
  bottom: "conv22"  bottom: "label"  top: "loss"
  python_param {
    module: "caffe_pylayers.yolo_losses"  layer: "RegionLoss"
    param_str: "{num_classes: 20, anchors: [1.08,1.19, 3.42,4.41, 6.63,11.38, 9.42,5.11, 16.62,10.52], thresh: 0.6, "
               "object_scale: 5}"
  }
  loss_weight: 1
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection.box_similarity import (
    SIMILARITIES,
    box_similarity_backward,
    box_similarity_forward,
    darknet_similarity_backward,
)
from caffe_pylayers._layer.detection.cell_loss import CellLoss, linear_errors, sigmoid_errors
from caffe_pylayers._layer.detection.prior_boxes import MAX_LOG_SCALE
from caffe_pylayers._layer.functions.sigmoid import sigmoid
from caffe_pylayers._layer.functions.softmax import log_softmax

__all__ = [
    "RegionLoss",
    "Yolov3Loss",
    "box_similarity_backward",
    "box_similarity_forward",
    "linear_errors",
    "match_anchors",
    "sigmoid_errors",
]


def match_anchors(similarity, mask, threshold, legacy=False):
    """Return (truth, position): which truths are to be found with which of the mask's anchors, in the truths' order.

    Each with the anchor that is most like it, if the mask has that, and with each other one of the mask that is more
    like it than the threshold.

    similarity: (T, B), of each truth with each anchor. mask: (A,), indices of anchors.
    legacy: MobileNet-YOLO takes the best one's position in the mask for its index when it looks for the others.
    """
    positions = np.full(similarity.shape[1], -1)
    positions[mask[::-1]] = np.arange(len(mask))[::-1]
    best = np.where(similarity.max(1) > 0, similarity.argmax(1), -1)
    at_best = np.where(best >= 0, positions[best], -1)
    taken = np.where(at_best >= 0, at_best, best) if legacy else best
    others = (similarity > threshold) & (threshold < 1) & (np.arange(len(positions)) != taken[:, None])
    table = np.concatenate([at_best[:, None], np.where(others, positions, -1)], 1)
    truth, column = np.nonzero(table >= 0)
    return truth, table[truth, column]


class Yolov3Loss(CellLoss):
    """What a map of YOLOv3 learns from: each truth at the cell of its centre, by the anchors of its size.

    loss = sum(l) / Z. At each anchor and cell, with ce the cross entropy under a sigmoid:
    found by it: object_scale ce(object, 1) + class_scale sum_c ce(class_c, y_c) + the box's, coord_scale (2 - w h)
    (ce(t_x, x) + ce(t_y, y) + ((t_w - log(w / anchor_w))**2 + (t_h - log(h / anchor_h))**2) / 2), x, y from the cell's
    corner; or iou_normalizer (1 - IoU);
    else noobject_scale ce(object, 0), but where the box is more like a truth than thresh, nothing.

    A truth is found by the anchor most like it, of those of all maps, and by others more like it than iou_thresh; this
    map's are those of the mask. y_c is 1 - s / 2 for the classes of the truths found there, s / 2 for others, with
    label_smoothing s. Of several boxes the last counts; of IoUs all, where they accumulate.

    Bottom:
        [0] map (N, A (5 + C), H, W): of each of A anchors t_x, t_y, t_w, t_h, object and classes, before any sigmoid
        [1] labels (N, 1, G, 5), (N, G, 5) or (N, 5 G): class from 0 on, x, y, w, h of a centre and a size, shares of
            the image, until the first w of 0; or SSD's (1, 1, G, 8), whose classes begin at 1
    Top:
        [0] loss (1,)
        [1] scores (7,), optional: the mean of sigma(object) everywhere; the means, of the truths found, of
            sigma(object), the boxes' IoU, sigma(class), which IoU is above 0.5, and 0.75; how many truths are found
    Backward:
        d_map, the loss's gradient; what is found by which anchor and what is like a truth count as constant. With
        max_delta a box's gradient is bounded. use_focal_loss multiplies the classes' by darknet's factor
        (1 - p) (1 - p - 2 p log p) / 2, p that of the first truth's class, as a constant. d_labels = 0.
    Raises:
        ValueError for a map that does not fit the parameters, and for labels that are no classes and boxes.
    References:
        Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, arXiv:1804.02767. Yolov3 of
        eric612/MobileNet-YOLO, with its yolov3_param: biases are the anchors, anchors_scale the stride. Its gradient is
        this one; what it calls the loss is the sum of squares of its errors, scale (p - y), and of an IoU the mean of
        iou_normalizer (1 - IoU) besides: legacy_version. Its gradient of an IoU is another: without the sigmoid's, the
        cells' and the anchors' factors, twice as large in w and h, see darknet_similarity_backward; and an anchor of a
        mask that does not begin with the first one may be taken twice. legacy_version has these too. Rezatofighi et
        al., "Generalized Intersection over Union", 2019, arXiv:1902.09630; Zheng et al., "Distance-IoU Loss", 2020,
        arXiv:1911.08287.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = "{num_classes: 1, anchors: [16, 16], stride: 32}"
        >>> run = LayerRun(Yolov3Loss, [np.zeros((1, 6, 1, 1)), [[[[0, 0.5, 0.5, 0.5, 0.5]]]]], param_str=text)
        >>> run.forward()[0].round(4)  # (2 + 2 * 1.75) log(2)
        array([3.8123])
        >>> run.backward([1])[0].ravel()
        array([ 0. ,  0. ,  0. ,  0. , -0.5, -0.5])
    """

    mask = Parameter([int], (), low=0, doc="the anchors of this map; default: all")
    stride = Parameter(int, 32, low=1, doc="the pixels of a cell, in the anchors' unit")
    label_smoothing = Parameter(float, 0.0, low=0, high=1, doc="s, the share of a class's target that is 1 / 2")
    iou_loss = Parameter(str, "mse", choices=("mse", *SIMILARITIES), doc="what a box's error is; mse: of its codes")
    iou_normalizer = Parameter(float, 1.0, low=0, doc="factor of an IoU's loss")
    iou_thresh = Parameter(float, 1.0, doc="anchors more like a truth than this find it too; 1: none")
    accumulate = Parameter(bool, True, doc="the IoUs of all truths at an anchor and cell add; false: the last counts")
    max_delta = Parameter(float, None, above=0, doc="the largest gradient of an IoU's loss, before Z")
    use_focal_loss = Parameter(bool, False, doc="classes that are found already count for less")
    use_logic_gradient = Parameter(bool, False, doc="half the squared error of a sigmoid in place of its cross entropy")

    reports_gradient = False

    def setup(self, bottom, top):
        super().setup(bottom, top)
        self.squared = self.use_logic_gradient
        self.similarity = "iou" if self.iou_loss == "mse" else self.iou_loss
        self.power = 0.6 if self.legacy_version else 1.0

    def image(self, width, height):
        return width * self.stride, height * self.stride

    def probabilities(self, scores):
        return sigmoid(np, scores)

    def matched(self, labels, t, row, column):
        similarity = self.similarity_of_anchors(self._sizes, labels.boxes)
        return match_anchors(similarity, self._mask, self.iou_thresh, self.legacy_version)

    def found(self, matches):
        at = matches.t[matches.last]
        d_t = np.empty_like(at)
        d_t[:, 4] = self.add_sigmoid_errors(at[:, 4], 1, self.object_scale)
        targets, scales = self._class_targets(matches)
        d_t[:, 5:] = self.add_sigmoid_errors(at[:, 5:], targets, scales)
        boxes = self.decoded(matches)
        if self.iou_loss == "mse":
            d_t[:, :4] = self.code_errors(matches, more_of_small=True)
            return d_t, self.similarity_of(boxes, matches.boxes)
        which = np.arange(len(boxes)) if self.accumulate else matches.last
        d_t[:, :4] = 0
        arrays.add_rows(d_t[:, :4], matches.place[which], self._d_codes(matches, boxes)[which])
        kind = "diou" if self.legacy_version and self.iou_loss == "iou" else self.iou_loss
        similarity = box_similarity_forward(boxes, matches.boxes, kind, self.power)
        if not self.legacy_version:
            self._total += self.iou_normalizer * (1 - similarity[which]).sum()
        elif len(similarity):
            self._total += self.iou_normalizer * (1 - similarity).mean()
        return d_t, similarity

    def _class_targets(self, matches):
        """Return what the classes (U, C) are to be, and their errors' factors."""
        low = self.label_smoothing / 2
        targets = np.full((len(matches.last), self.num_classes), low, matches.t.dtype)
        targets[matches.place, matches.classes] = 1 - low
        scales = np.full_like(targets, self.class_scale)
        if self.use_focal_loss:
            first, classes = matches.first, matches.classes[matches.first]
            p = sigmoid(np, matches.t[first, 5 + classes])
            scales *= ((1 - p) * (1 - p - 2 * p * np.log(p + 1e-15)) / 2)[:, None]
            later = np.setdiff1d(np.arange(len(matches.place)), first)
            targets = np.eye(self.num_classes, dtype=targets.dtype)[classes]
            targets[matches.place[later], matches.classes[later]] = 1 - low
            scales[matches.place[later], matches.classes[later]] = self.class_scale
        return targets, scales

    def _d_codes(self, matches, boxes):
        """Return the gradient (M, 4) of iou_normalizer (1 - IoU) at each match."""
        codes = matches.t[:, :4]
        if self.legacy_version:
            d_codes = darknet_similarity_backward(boxes, matches.boxes, self.iou_loss)
            d_codes[:, 2:] *= np.exp(codes[:, 2:])
        else:
            d_codes = box_similarity_backward(boxes, matches.boxes, self.iou_loss)
            p = sigmoid(np, codes[:, :2])
            d_codes[:, :2] *= p * (1 - p) / np.asarray(self._grid, p.dtype)
            d_codes[:, 2:] *= boxes[:, 2:] * (codes[:, 2:] <= MAX_LOG_SCALE)  # where decode_cells goes on
        d_codes *= -self.iou_normalizer
        return d_codes if self.max_delta is None else d_codes.clip(-self.max_delta, self.max_delta)


class RegionLoss(CellLoss):
    """What a map of YOLOv2 learns from: each truth at the cell of its centre, by the anchor of its size.

    loss = sum(l) / Z. At each anchor and cell, with p the sigmoid of the object and q the softmax of the classes:
    found by it: object_scale (p - IoU)**2 / 2 - class_scale log q_c + coord_scale ((sigma(t_x) - x)**2 +
    (sigma(t_y) - y)**2 + (t_w - log(w / anchor_w))**2 + (t_h - log(h / anchor_h))**2) / 2, x, y from the cell's corner;
    else noobject_scale p**2 / 2, but where the box's IoU with a truth is above thresh, nothing.

    A truth is found by the anchor most like it; of several at an anchor and cell the last counts. Without rescore an
    object is to be 1, and the box's errors are multiplied by 2 - w h.

    Bottom:
        [0] map (N, A (5 + C), H, W): of each of A anchors t_x, t_y, t_w, t_h, object and classes, before any sigmoid or
            softmax
        [1] labels (N, 1, G, 5), (N, G, 5) or (N, 5 G): class from 0 on, x, y, w, h of a centre and a size, shares of
            the image, until the first w of 0; or SSD's (1, 1, G, 8), whose classes begin at 1
    Top:
        [0] loss (1,)
        [1] scores (7,), optional: the mean of p everywhere; the means, of all truths, of p, the box's IoU, q_c, which
            IoU is above 0.5, and 0.75; how many truths there are
    Backward:
        d_map, the loss's gradient; the IoU that an object is to be, what is found by which anchor and what is like a
        truth count as constant. d_labels = 0.
    Raises:
        ValueError for a map that does not fit the parameters, and for labels that are no classes and boxes.
    References:
        Redmon and Farhadi, "YOLO9000: Better, Faster, Stronger", 2017, arXiv:1612.08242; darknet's region layer.
        RegionLoss of eric612/MobileNet-YOLO, with its region_loss_param, whose biases are the anchors. Its gradient is
        this one; what it calls the loss is the sum of the gradient's squares: legacy_version. Not here is what darknet
        and eric612/Caffe-YOLOv3-Windows add for the first 12,800 images, and MobileNet-YOLO has as a comment only: a
        pull of each box without an object, 0.01 times as strong as coord_scale 1, to its cell's centre and anchor.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = "{num_classes: 2, anchors: [0.5, 0.5], rescore: false}"
        >>> run = LayerRun(RegionLoss, [np.zeros((1, 7, 1, 1)), [[[[0, 0.5, 0.5, 0.5, 0.5]]]]], param_str=text)
        >>> run.forward()[0].round(4)  # 0.5**2 / 2 + log(2)
        array([0.8181])
        >>> run.backward([1])[0].ravel()
        array([ 0.   ,  0.   ,  0.   ,  0.   , -0.125, -0.5  ,  0.5  ])
    """

    rescore = Parameter(bool, True, doc="an object is to be its box's IoU; false: 1")
    bias_match = Parameter(bool, True, doc="a truth is compared with anchors; false: with the boxes that its cell has")

    def probabilities(self, scores):
        return np.exp(self._log_softmax(scores))

    def matched(self, labels, t, row, column):
        sizes = self._sizes
        if not self.bias_match:
            sizes = sizes * np.exp(np.minimum(t[labels.image, :, 2:4, row, column], MAX_LOG_SCALE))
        return np.arange(len(row)), self.similarity_of_anchors(sizes, labels.boxes).argmax(1)

    def found(self, matches):
        last = matches.last
        at, similarity = matches.t[last], self.similarity_of(self.decoded(matches), matches.boxes)
        d_t = np.empty_like(at)
        d_t[:, :4] = self.code_errors(matches, more_of_small=not self.rescore)
        d_t[:, 4] = self.add_sigmoid_errors(at[:, 4], similarity[last] if self.rescore else 1, self.object_scale)
        log_q, labelled = self._log_softmax(at[:, 5:]), np.eye(self.num_classes, dtype=at.dtype)[matches.classes[last]]
        d_t[:, 5:] = self.class_scale * (np.exp(log_q) - labelled)
        self.add(-self.class_scale * (labelled * log_q).sum(), d_t[:, 5:])
        return d_t, similarity

    def _log_softmax(self, scores):
        log_q = np.empty(scores.shape, scores.dtype)
        log_softmax(np, scores, 1, log_q, np.empty_like(log_q))
        return log_q

"""MS-CNN's and Cascade R-CNN's training of proposals: the losses of boxes at cells.

layer {
  name: "loss_1"  type: "Python"
  bottom: "LFCN_1_3x5"  bottom: "label_1_3x5"  top: "loss_1"
  python_param {
    module: "caffe_pylayers.mscnn_losses"  layer: "DetectionLoss"
    param_str: "{num_classes: 2, field_w: [40], field_h: [80], stride: 8, bg_threshold: 0.2, sample_mode: bootstrap}"
  }
  loss_weight: 1
}
layer {
  name: "rpn_loss"  type: "Python"
  bottom: "rpn_cls_reshape"  bottom: "rpn_bbox_reshape"  bottom: "label_group_reshape"  top: "rpn_loss"
  python_param {
    module: "caffe_pylayers.mscnn_losses"  layer: "DetectionGroupLoss"
    param_str: "{num_classes: 2, field_w: [88, 44], field_h: [44, 88], stride: 8, batch_size: 256, bg_multiple: 1}"
  }
  loss_weight: 1
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection.anchor_codes import (
    bounds,
    encode_anchors,
    field_whr_parameter,
    field_xyr_parameter,
)
from caffe_pylayers._layer.detection.at_cells import AtCells
from caffe_pylayers._layer.detection.nms import by_score
from caffe_pylayers._layer.detection.sampling import at_most
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter
from caffe_pylayers._layer.functions.softmax import log_softmax

__all__ = [
    "DetectionGroupLoss",
    "DetectionLoss",
    "anchor_loss_backward",
    "anchor_loss_forward",
    "class_loss_backward",
    "class_loss_forward",
]


def class_loss_forward(scores, labels, weights):
    """Return (loss, p): the weighted mean of -log p at the labels, and the softmax p of scores (K, C)."""
    log_p, p = np.empty_like(scores), np.empty_like(scores)
    log_softmax(np, scores, 1, log_p, p)
    loss = -(weights * log_p[np.arange(len(labels)), labels]).sum() / max(len(labels), 1)
    return loss, p


def class_loss_backward(p, labels, weights):
    """Return d_scores (K, C) of class_loss_forward."""
    one_hot = np.arange(p.shape[1]) == labels[:, None]
    return (p - one_hot) * weights[:, None] / max(len(labels), 1)


def anchor_loss_forward(deltas, targets, means, stds, bound, smooth=True):
    """Return (loss, differences): the mean of smooth L1, or of d**2 / 2, of d = (t - target) / std.

    t = deltas * std + mean, moved into [-bound, bound]. deltas, targets: (P, 4).
    """
    bounded = (deltas * stds + means).clip(-bound, bound)
    differences = (bounded - targets) / stds
    size = abs(differences)
    losses = np.where(smooth & (size >= 1), size - 0.5, differences * differences / 2)
    return losses.sum() / max(losses.size, 1), differences


def anchor_loss_backward(deltas, differences, means, stds, bound, smooth=True, legacy=False):
    """Return d_deltas (P, 4) of anchor_loss_forward: 0 where t is beyond its bound.

    legacy: as if t were not bounded, but for the differences.
    """
    slope = (differences.clip(-1, 1) if smooth else differences) / max(differences.size, 1)
    return slope if legacy else np.where(abs(deltas * stds + means) <= bound, slope, 0)


class _CellLoss(AtCells):
    """loss = class loss at sampled cells + loc_weight box loss at those of objects.

    A subclass has ``sampled(cells, classes, positive, negative)``, which returns the two with what is left out.
    """

    loc_weight = Parameter(float, 1.0, low=0, doc="lambda, the weight of the boxes' loss")
    bg_multiple = Parameter(int, 4, low=0, doc="cells of the background for each of an object")
    pos_neg_weighted = Parameter(
        bool, False, doc="cells of objects weigh 1 / (1 + bg_multiple) of all together, the others the rest"
    )
    bbox_loss_type = Parameter(str, "Smooth_L1", choices=("Smooth_L1", "Euclidean_L2"), doc="of the boxes' loss")
    legacy_gradient = Parameter(
        bool, False, doc="deltas beyond their bounds learn as if there were none, as in the forks; their gradient is 0"
    )
    seed = seed_parameter()

    field_xyr: float | None
    field_whr: float | None

    def setup(self, bottom, top):
        self._draws = Draws(self.seed)
        checks.tops(self, top, "loss", "box_loss", optional=1)

    def plan(self, *maps):
        self.plan_cells(*maps)
        return [(1,), (1,)]

    def forward(self, bottom, top):
        cells = self.cells(bottom)
        classes, positive, negative = self.read(cells.labels)
        positive, negative = self.sampled(cells, classes, positive, negative)
        self._objects, kept = np.nonzero(positive), positive | negative
        self._kept = n, g, y, x = np.nonzero(kept)
        self._labels = classes[kept]
        self._weights = self._weights_of(self._labels > 0)
        class_loss, self._p = class_loss_forward(cells.scores[n, g, :, y, x], self._labels, self._weights)
        box_loss = self.loc_weight * self._box_loss(cells)
        top[0].data[...] = class_loss + box_loss
        if len(top) > 1:
            top[1].data[...] = box_loss

    def backward(self, top, propagate_down, bottom):
        for i in range(len(bottom)):
            if propagate_down[i]:
                bottom[i].diff[...] = 0
        diffs = self.cells(bottom, "diff")
        g_loss = float(top[0].diff.sum())
        g_box = self.loc_weight * (g_loss + (float(top[1].diff.sum()) if len(top) > 1 else 0))
        if propagate_down[0]:
            n, g, y, x = self._kept
            diffs.scores[n, g, :, y, x] = g_loss * class_loss_backward(self._p, self._labels, self._weights)
        if propagate_down[1 if self.groups else 0]:
            n, g, y, x = self._objects
            diffs.deltas[n, g, :, y, x] = g_box * anchor_loss_backward(
                self._deltas, self._differences, *self._coding, self._smooth, self.legacy_gradient
            )

    @property
    def _smooth(self):
        return self.bbox_loss_type == "Smooth_L1"

    def _weights_of(self, objects):
        """Return the weights of the sampled cells' class losses; objects: booleans."""
        if not self.pos_neg_weighted:
            return np.ones(len(objects))
        share, count = 1 / (1 + self.bg_multiple), np.count_nonzero(objects)
        of_objects, of_others = share * len(objects) / max(count, 1), 1.0
        if count or self.groups:
            of_others = (1 - share) * len(objects) / max(len(objects) - count, 1)
        return np.where(objects, of_objects, of_others)

    def _box_loss(self, cells):
        n, g, y, x = self._objects
        boxes, self._deltas = cells.labels[n, g, 1:5, y, x], cells.deltas[n, g, :, y, x]
        checks.numbers(self, f"boxes of {'bottom[2]' if self.groups else 'bottom[1]'} (labels)", boxes)
        dtype = self._deltas.dtype
        anchors = np.stack([self.field_w, self.field_h], 1).astype(dtype)[g]
        targets = encode_anchors(boxes, np.stack([x, y], 1).astype(dtype), anchors, self.stride)
        self._coding = (
            np.array(self.bbox_mean, dtype),
            np.array(self.bbox_std, dtype),
            bounds(self.field_xyr, self.field_whr, dtype),
        )
        loss, self._differences = anchor_loss_forward(self._deltas, targets, *self._coding, self._smooth)
        return loss


class DetectionLoss(_CellLoss):
    """The loss of MS-CNN's proposals: one anchor of a map, scores and deltas in one bottom.

    loss = sum_i(w_i (-log p_i)) / K + loc_weight sum(rho((t - t*) / bbox_std)) / (4 P)

    over the K cells that are sampled, and the P of them that have an object. Of an image's background, class 0 and an
    IoU below bg_threshold, there are sampled by sample_mode: random: those that are hit by bg_multiple P draws of
    all cells, 4 (C - 1) at least; bootstrap: for each class the cells of its largest scores, bg_multiple for each of
    its own, 4 at least; mixture: both, half as many each; all.

    t = deltas * bbox_std + bbox_mean, with |t_x|, |t_y| <= 1 / field_xyr and |t_w|, |t_h| <= log(field_whr).
    t* codes the object of a cell whose middle is (x_c, y_c): ((x - x_c) / field_w, (y - y_c) / field_h,
    log(w / field_w), log(h / field_h)), w and h of 2 pixels at least. rho(d) = d**2 / 2 where |d| < 1, else |d| - 1/2;
    with Euclidean_L2 d**2 / 2 everywhere. w_i = 1; with pos_neg_weighted cells of objects weigh K / (1 + bg_multiple)
    together, and the background's the rest of K; 1 where no object is sampled.

    Bottom:
        [0] maps (N, C + 4, H, W): scores before any softmax, the background's first, then 4 deltas
        [1] labels (N, 6, H, W) of ImageGtData: class, x and y of a centre, w, h, in pixels, and IoU
    Top:
        [0] loss (1,)
        [1] box loss, optional, (1,): its second term
    Backward:
        d_scores = g w (p - [label]) / K, d_deltas = g loc_weight rho'((t - t*) / bbox_std) / (4 P), 0 where t is beyond
        its bound, with rho'(d) = clip(d, -1, 1), or d of Euclidean_L2, and the loss weight in g = top[0].diff[0]; 0 at
        other cells. What comes to top[1] is added to g of d_deltas. With legacy_gradient, as in the forks, a delta
        beyond its bound gets the gradient of one at it. d_labels = 0.
    Raises:
        ValueError for shapes that do not fit, a class that is no integer in [0, num_classes), boxes that are not
        finite, and an IoU of the background that is NaN.
    References:
        Cai, Fan, Feris, Vasconcelos, "A Unified Multi-scale Deep Convolutional Neural Network for Fast Object
        Detection", 2016, arXiv:1607.07155. DetectionLoss of MS-CNN's Caffe, with the fields of its
        detection_loss_param; its top has the box loss as a second value.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> labels = np.zeros((1, 6, 1, 2))
        >>> labels[0, :, 0, 0] = 1, 4, 4, 16, 8, 0.9
        >>> text = "{num_classes: 2, field_w: [8], field_h: [8], stride: 8, sample_mode: all}"
        >>> run = LayerRun(DetectionLoss, [np.zeros((1, 6, 1, 2)), labels], param_str=text, tops=2)
        >>> [top.round(4) for top in run.forward()]  # log(2) + log(2)**2 / 2 / 4
        [array([0.7532]), array([0.0601])]
    """

    field_xyr = field_xyr_parameter(2.0)
    field_whr = field_whr_parameter(2.0)
    sample_mode = Parameter(
        str, "random", choices=("random", "bootstrap", "mixture", "all"), doc="which cells of the background count"
    )

    def sampled(self, cells, classes, positive, negative):
        kept = np.zeros_like(negative) if self.sample_mode != "all" else negative
        share = 0.5 if self.sample_mode == "mixture" else 1
        for image in range(len(kept)):
            mine, candidates = kept[image].reshape(-1), negative[image].ravel()
            counts = np.bincount(classes[image][positive[image]], minlength=self.num_classes)
            if self.sample_mode in ("random", "mixture") and mine.size:
                wanted = max(int(counts.sum() * self.bg_multiple * share), 4 * (self.num_classes - 1))
                mine[self._draws.host.integers(0, mine.size, wanted)] = True
                mine &= candidates
            if self.sample_mode in ("bootstrap", "mixture"):
                index = np.flatnonzero(candidates)
                for c in range(1, self.num_classes):
                    scores = cells.scores[image, :, c].ravel()[index]
                    wanted = max(int(counts[c] * self.bg_multiple * share), 4)
                    mine[index[by_score(np.where(np.isnan(scores), np.inf, scores), wanted)]] = True
        return positive, kept


class DetectionGroupLoss(_CellLoss):
    """The loss of Cascade R-CNN's proposals: several anchors at each cell of a map.

    loss = sum_i(w_i (-log p_i)) / K + loc_weight sum(rho((t - t*) / bbox_std)) / (4 P)

    over the K cells and anchors that are sampled, and the P of them that have an object. Of each image batch_size are
    drawn, 1 / (1 + bg_multiple) of them of objects at most; without batch_size all of objects, and bg_multiple times as
    many of the background, min_num_neg at least. Those of the background are drawn at random, or are the hardest
    (bootstrap), or half and half (mixture).

    t = deltas * bbox_std + bbox_mean, with |t_x|, |t_y| <= 1 / field_xyr and |t_w|, |t_h| <= log(field_whr), where
    these are given. t* codes the object of a cell whose middle is (x_c, y_c): ((x - x_c) / field_w,
    (y - y_c) / field_h, log(w / field_w), log(h / field_h)), w and h of 2 pixels at least. rho(d) = d**2 / 2 where
    |d| < 1, else |d| - 1/2; with Euclidean_L2 d**2 / 2 everywhere. w_i = 1; with pos_neg_weighted cells of objects
    weigh K / (1 + bg_multiple) together, and the background's the rest of K, also where no object is sampled.

    Bottom:
        [0] scores (N G, C, H, W) before any softmax, the background's first, for G anchors
        [1] deltas (N G, 4, H, W)
        [2] labels (N G, 6, H, W) of DetectionData: class, x and y of a centre, w, h, in pixels, and IoU
    Top:
        [0] loss (1,)
        [1] box loss, optional, (1,): its second term
    Backward:
        d_scores = g w (p - [label]) / K, d_deltas = g loc_weight rho'((t - t*) / bbox_std) / (4 P), 0 where t is beyond
        its bound, with rho'(d) = clip(d, -1, 1), or d of Euclidean_L2, and the loss weight in g = top[0].diff[0]; 0 at
        other cells. What comes to top[1] is added to g of d_deltas. With legacy_gradient, as in the forks, a delta
        beyond its bound gets the gradient of one at it. d_labels = 0.
    Raises:
        ValueError for shapes that do not fit, a class that is no integer in [0, num_classes), boxes that are not
        finite, an IoU of the background that is NaN, and one alone of field_xyr and field_whr.
    References:
        Cai and Vasconcelos, "Cascade R-CNN: Delving into High Quality Object Detection", 2018, arXiv:1712.00726.
        DetectionGroupLoss of its Caffe, with the fields of its detection_group_loss_param; its top has the box loss as
        a second value, and it writes the bounded deltas into its bottom.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> labels = np.zeros((2, 6, 1, 1))
        >>> labels[0, :, 0, 0] = 1, 4, 4, 16, 8, 0.9
        >>> text = "{num_classes: 2, field_w: [8, 16], field_h: [8, 16], stride: 8}"
        >>> bottoms = [np.zeros((2, 2, 1, 1)), np.zeros((2, 4, 1, 1)), labels]
        >>> LayerRun(DetectionGroupLoss, bottoms, param_str=text).forward()[0].round(4)
        array([0.7532])
    """

    field_xyr = field_xyr_parameter(None)
    field_whr = field_whr_parameter(None)
    batch_size = Parameter(int, None, low=1, doc="cells of an image that count; default: as many as there are objects'")
    min_num_neg = Parameter(int, 5, low=0, doc="without batch_size: the least number of the background's")
    neg_mining_type = Parameter(
        str, "random", choices=("random", "bootstrap", "mixture"), doc="which of the background's count"
    )

    groups = True

    def setup(self, bottom, top):
        super().setup(bottom, top)
        if (self.field_xyr is None) != (self.field_whr is None):
            raise checks.error(
                self,
                f"takes the parameters field_xyr and field_whr together, got {self.field_xyr} and {self.field_whr}",
            )

    def sampled(self, cells, classes, positive, negative):
        rng, kept = self._draws.host, [np.zeros_like(positive), np.zeros_like(negative)]
        for image in range(len(positive)):
            objects, others = np.flatnonzero(positive[image]), np.flatnonzero(negative[image])
            if self.batch_size is None:
                wanted = max(len(objects) * self.bg_multiple, self.min_num_neg)
            else:
                objects = at_most(rng, objects, int(self.batch_size / (1 + self.bg_multiple) + 0.5))
                wanted = self.batch_size - len(objects)
            kept[0][image].reshape(-1)[objects] = True
            kept[1][image].reshape(-1)[self._others(rng, cells.scores[image], others, wanted)] = True
        return kept

    def _others(self, rng, scores, others, wanted):
        """Return ``wanted`` of the background's cells; scores: (G, C, H, W)."""
        if len(others) <= wanted or self.neg_mining_type == "random":
            return at_most(rng, others, wanted)
        flat = np.moveaxis(scores, 1, -1).reshape(-1, self.num_classes)[others]
        log_p = np.empty_like(flat)
        log_softmax(np, flat, 1, log_p, np.empty_like(flat))
        hardness = np.where(np.isnan(log_p[:, 0]), np.inf, -log_p[:, 0])
        order = by_score(hardness, wanted if self.neg_mining_type == "bootstrap" else int(wanted * 0.5 + 0.5))
        rest = np.delete(others, order)
        return np.concatenate([others[order], at_most(rng, rest, wanted - len(order))])

"""Anchors, the reference boxes of a region proposal network, and what it is to say of each.

layer {
  name: "anchors"  type: "Python"
  bottom: "rpn_conv/3x3"  top: "anchors"
  python_param { module: "caffe_pylayers.anchors"  layer: "Anchors"  param_str: "feat_stride: 16" }
}
layer {
  name: "rpn_data"  type: "Python"
  bottom: "rpn_cls_score"  bottom: "gt_boxes"  bottom: "im_info"
  top: "rpn_labels"  top: "rpn_bbox_targets"  top: "rpn_bbox_inside_weights"  top: "rpn_bbox_outside_weights"
  python_param { module: "caffe_pylayers.anchors"  layer: "AnchorTarget"  param_str: "feat_stride: 16" }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.detection import box_blobs, gt_boxes
from caffe_pylayers._layer.detection.anchor_boxes import inside
from caffe_pylayers._layer.detection.anchor_parameters import AnchorParameters
from caffe_pylayers._layer.detection.box_codes import box_encode_forward
from caffe_pylayers._layer.detection.boxes import check_sizes
from caffe_pylayers._layer.detection.overlaps import box_iou_forward
from caffe_pylayers._layer.detection.sampling import balanced
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter

__all__ = ["AnchorTarget", "Anchors", "anchor_labels"]


def anchor_labels(iou, positive_overlap=0.7, negative_overlap=0.3, clobber_positives=False):
    """Return a label for each anchor, (A,): 1 for an object, 0 for none, -1 where neither is meant.

    1: IoU of positive_overlap or more with some object, or the largest one that an object has with
    any anchor, if that is above 0. 0: IoU below negative_overlap with all.

    iou: of anchors with objects, (A, G).
    clobber_positives: 0 where both hold, not 1.
    """
    best, of_object = iou.max(1, initial=0), iou.max(0, initial=0)
    positive = (best >= positive_overlap) | ((iou == of_object) & (of_object > 0)).any(1)
    negative = best < negative_overlap
    if clobber_positives:
        positive &= ~negative
    return np.where(positive, 1, np.where(negative, 0, -1))


class Anchors(AnchorParameters):
    """The anchors at every cell of a feature map, in pixels of the image.

    anchor[y, x, a] = base[a] + feat_stride * (x, y, x, y), with the A bases of every ratio and scale

    Bottom:
        [0] a feature map (N, C, H, W): only H and W are used
        [1] im_info (1, 3) or (1, 2), for top[1]: height and width of the image
    Top:
        [0] anchors (H W A, 4): rows, columns, ratios, scales, from slowest to fastest
        [1] inside (H W A,), optional: 1 for an anchor no more than allowed_border pixels beyond
            the image, else 0
    Backward:
        Zeros.
    Raises:
        ValueError for a bottom that is no map, and for a top[1] without im_info.
    References:
        Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal
        Networks", 2015, arXiv:1506.01497; the anchors are py-faster-rcnn's to the last digit.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Anchors, [np.zeros((1, 8, 1, 2))], param_str="scales: [8]").forward()[0]
        array([[-84., -40.,  99.,  55.],
               [-56., -56.,  71.,  71.],
               [-36., -80.,  51.,  95.],
               [-68., -40., 115.,  55.],
               [-40., -56.,  87.,  71.],
               [-20., -80.,  67.,  95.]])
    """

    allowed_border = Parameter(float, 0.0, doc="how far an anchor may reach beyond the image, in pixels, for top[1]")

    def setup(self, bottom, top):
        checks.tops(self, top, "anchors", "inside", optional=1)
        if len(top) == 2 and len(bottom) == 1:
            raise checks.error(self, "top[1] (inside) needs bottom[1] (im_info)")

    def plan(self, features, im_info=None):
        self._anchors = self.anchors_at(*self.map_size("bottom[0] (features)", features))
        if im_info is not None:
            box_blobs.check_info(self, "bottom[1] (im_info)", im_info, 1)
        return [(len(self._anchors), 4), (len(self._anchors),)]

    def forward(self, bottom, top):
        top[0].data[...] = self._anchors
        if len(top) == 2:
            height, width, _ = box_blobs.image_info(self, "bottom[1] (im_info)", bottom[1].data, 1)[0]
            top[1].data[...] = inside(self._anchors, height, width, self.allowed_border)


class AnchorTarget(AnchorParameters):
    """Labels and regression targets of an RPN's anchors.

    Of the anchors inside the image, those that overlap an object well are positive, those that overlap
    none are negative (see anchor_labels), and RPN_BATCHSIZE of them are drawn for each image.
    Each one's target is the code of the object that it overlaps most, see BoxEncode.

    Bottom:
        [0] a map (N, C, H, W), such as rpn_cls_score: only its shape is used
        [1] gt_boxes (G, 5): x1, y1, x2, y2, class, of one image; (N, G, 5) padded with zeros; or
            (G, 6): the image's index in the batch before these
        [2] im_info (N, 3) or (1, 3): height, width, scale
        [3] data, optional: not used
    Top:
        [0] labels (N, 1, A H, W): 1, 0, or -1 to be ignored
        [1] bbox_targets (N, 4 A, H, W)
        [2] bbox_inside_weights (N, 4 A, H, W): of the positive ones
        [3] bbox_outside_weights (N, 4 A, H, W): of the positive and negative ones
    Backward:
        Zeros. Caffe takes the tops for learned, as the scores are: a SoftmaxWithLoss on the labels
        needs ``propagate_down: true  propagate_down: false``.
    Raises:
        ValueError for shapes that do not fit, for a box of an object without width or height, and for
        boxes or im_info that are not finite.
    References:
        Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal
        Networks", 2015, arXiv:1506.01497. py-faster-rcnn's AnchorTargetLayer, with batches of several
        images and images without objects; an object that overlaps no anchor makes none positive,
        where there it makes all so that overlap it by 0.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> bottoms = [np.zeros((1, 2, 1, 3)), [[16, 0, 31, 15, 1]], [[16, 48, 1]]]
        >>> run = LayerRun(AnchorTarget, bottoms, tops=4, param_str="{scales: [1], ratios: [1]}")
        >>> run.forward()[0]
        array([[[[0., 1., 0.]]]])
    """

    allowed_border = Parameter(float, 0.0, doc="how far an anchor may reach beyond the image, in pixels")
    RPN_POSITIVE_OVERLAP = Parameter(float, 0.7, low=0, high=1, doc="IoU with an object from which one is positive")
    RPN_NEGATIVE_OVERLAP = Parameter(float, 0.3, low=0, high=1, doc="IoU with all objects below which one is negative")
    RPN_CLOBBER_POSITIVES = Parameter(bool, False, doc="an object's best anchor is negative where its IoU is so low")
    RPN_FG_FRACTION = Parameter(float, 0.5, low=0, high=1, doc="the largest share of positive ones")
    RPN_BATCHSIZE = Parameter(int, 256, low=1, doc="anchors drawn from each image")
    RPN_BBOX_INSIDE_WEIGHTS = Parameter((float,) * 4, (1.0,) * 4, doc="weights of the four deltas of a positive one")
    RPN_POSITIVE_WEIGHT = Parameter(
        float,
        -1.0,
        high=1,
        doc="p in (0, 1): outside weights are p over the number of positives, 1 - p over that of negatives; "
        "below 0: 1 over the number of both",
    )
    seed = seed_parameter()

    def setup(self, bottom, top):
        self._draws = Draws(self.seed)
        checks.tops(self, top, "labels", "bbox_targets", "bbox_inside_weights", "bbox_outside_weights")

    def plan(self, scores, gt_boxes, im_info, data=None):
        images, (height, width) = len(scores), self.map_size("bottom[0] (scores)", scores)
        box_blobs.check_info(self, "bottom[2] (im_info)", im_info, images)
        self._anchors = self.anchors_at(height, width)
        maps = (images, 4 * self.anchors_per_cell, height, width)
        return (images, 1, self.anchors_per_cell * height, width), maps, maps, maps

    def forward(self, bottom, top):
        images = len(bottom[0].data)
        truth = gt_boxes.read(self, "bottom[1] (gt_boxes)", bottom[1].data, images)
        check_sizes(self, "bottom[1] (gt_boxes)", truth.boxes, self.legacy_plus_one)
        info = box_blobs.image_info(self, "bottom[2] (im_info)", bottom[2].data, images)
        height, width = bottom[0].data.shape[2:]
        for i in range(images):
            columns = self._of_image(truth.of(i).boxes, *info[i, :2])
            for j, column in enumerate(columns):
                # (H W A, K) to (A, K, H, W), as the maps have it
                cells = column.reshape(height, width, self.anchors_per_cell, column.shape[1])
                top[j].data[i] = cells.transpose(2, 3, 0, 1).reshape(top[j].data.shape[1:])

    def _of_image(self, boxes, height, width):
        """Return labels, targets, inside and outside weights of the anchors of an image with these objects."""
        within = np.flatnonzero(inside(self._anchors, height, width, self.allowed_border))
        iou = box_iou_forward(self._anchors[within], boxes, self.legacy_plus_one)
        found = anchor_labels(iou, self.RPN_POSITIVE_OVERLAP, self.RPN_NEGATIVE_OVERLAP, self.RPN_CLOBBER_POSITIVES)
        most_positive = int(self.RPN_FG_FRACTION * self.RPN_BATCHSIZE)
        positive, negative = balanced(
            self._draws.host, within[found == 1], within[found == 0], self.RPN_BATCHSIZE, most_positive
        )
        labels = np.full((len(self._anchors), 1), -1)
        labels[positive], labels[negative] = 1, 0
        targets, inside_weights, outside_weights = np.zeros((3, len(self._anchors), 4))
        if len(boxes):
            targets[within] = box_encode_forward(self._anchors[within], boxes[iou.argmax(1)], self.legacy_plus_one)
        inside_weights[positive] = self.RPN_BBOX_INSIDE_WEIGHTS
        p = self.RPN_POSITIVE_WEIGHT
        shares = (1, 1) if p < 0 else (p, 1 - p)
        together = len(positive) + len(negative)
        for index, share in zip((positive, negative), shares):
            outside_weights[index] = share / max(together if p < 0 else len(index), 1)
        return labels, targets, inside_weights, outside_weights

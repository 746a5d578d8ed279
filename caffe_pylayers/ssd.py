"""SSD's layers: feature vectors of one length, boxes at every cell of a map, and what the net says of them.

layer {
  name: "conv4_3_norm"  type: "Python"
  bottom: "conv4_3"  top: "conv4_3_norm"
  python_param {
    module: "caffe_pylayers.ssd"  layer: "Normalize"
    param_str: "{across_spatial: false, channel_shared: false, scale: 20}"
  }
}
layer {
  name: "conv4_3_norm_mbox_priorbox"  type: "Python"
  bottom: "conv4_3_norm"  bottom: "data"  top: "conv4_3_norm_mbox_priorbox"
  python_param {
    module: "caffe_pylayers.ssd"  layer: "PriorBox"
    param_str: "{min_size: [30], max_size: [60], aspect_ratio: [2], variance: [0.1, 0.1, 0.2, 0.2], step: 8}"
  }
}
layer {
  name: "detection_out"  type: "Python"
  bottom: "mbox_loc"  bottom: "mbox_conf_flatten"  bottom: "mbox_priorbox"  top: "detection_out"
  python_param {
    module: "caffe_pylayers.ssd"  layer: "DetectionOutput"
    param_str: "{num_classes: 21, code_type: center_size, nms_threshold: 0.45, top_k: 400, keep_top_k: 200}"
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.learned import learn
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.blocks import sum_to
from caffe_pylayers._layer.detection.best_boxes import candidates, detections
from caffe_pylayers._layer.detection.prior_boxes import (
    CODES,
    OUTLINES,
    check_prior_blobs,
    decode_outlines,
    decode_priors,
    prior_boxes,
)

__all__ = [
    "DetectionOutput",
    "Normalize",
    "PriorBox",
    "candidates",
    "decode_outlines",
    "decode_priors",
    "detections",
    "normalize_backward",
    "normalize_backward_scale",
    "normalize_forward",
    "prior_boxes",
]


def normalize_forward(xp, x, scale, axes, eps):
    """Return (y, lengths): y = scale x / |x|, |x| = sqrt(sum(x**2) + eps) over the axes, which stay as sizes of 1.

    x: (N, C, positions). scale: (1, C, 1) or (1, 1, 1).
    """
    lengths = xp.sqrt((x * x).sum(axes, keepdims=True) + eps)
    return x / lengths * scale, lengths


def normalize_backward(xp, x, scale, lengths, d_y, axes, legacy=False):
    """Return d_x of normalize_forward, (scale d_y - x sum(x scale d_y) / |x|**2) / |x|.

    legacy: SSD's own, scale (d_y - x sum(x d_y) / |x|**2) / |x|: another where channels have scales of their own.
    """
    if legacy:
        return (d_y - x * ((x * d_y).sum(axes, keepdims=True) / lengths**2)) / lengths * scale
    d_y = d_y * scale
    return (d_y - x * ((x * d_y).sum(axes, keepdims=True) / lengths**2)) / lengths


def normalize_backward_scale(x, lengths, d_y, shape):
    """Return d_scale of normalize_forward, of the scale's shape: sum(d_y x / |x|)."""
    return sum_to(x * d_y / lengths, shape)


class Normalize(Layer):
    """Vectors of a learned length: SSD's way to take features of conv4_3 beside those of deeper layers.

    y = scale x / sqrt(sum(x**2) + eps), the sum over the channels of a position, or over a whole sample

    Bottom:
        [0] x (N, C, ...)
    Top:
        [0] y, the shape of x
    Learned:
        [0] scale (), or (C,) without channel_shared
    Backward:
        d_x = (scale d_y - x sum(x scale d_y) / |x|**2) / |x|; d_scale = sum(d_y x / |x|), added.
    Raises:
        ValueError for a bottom without channels, and for channels that the scale was not made for.
    References:
        Liu et al., "ParseNet: Looking Wider to See Better", 2015, arXiv:1506.04579. Normalize of SSD's Caffe, with its
        norm_param; scale_filler there is the constant `scale` here. Its gradient takes the scales out of the sum,
        which is right where channels share one: with legacy_gradient it is so here.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Normalize, [[[3.0, 4.0]]], param_str='{"scale": 20}').forward()[0]
        array([[12., 16.]])
    """

    array_api = True

    across_spatial = Parameter(bool, True, doc="all values of a sample make one vector; false: those of a position")
    channel_shared = Parameter(bool, True, doc="one scale; false: one of each channel")
    scale = Parameter(float, 1.0, doc="the scales before training: the vectors' length")
    eps = Parameter(float, 1e-10, above=0, doc="added to the sum of squares")
    legacy_gradient = Parameter(bool, False, doc="the gradient of SSD's Caffe, which differs with scales by channel")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "x")
        checks.tops(self, top, "y")
        shape = tuple(bottom[0].shape)
        if len(shape) < 2:
            raise checks.error(self, f"bottom[0] (x) must have the shape (N, C, ...), got {shape}")
        learn(self, np.full(() if self.channel_shared else shape[1:2], self.scale))

    def plan(self, x):
        shape = tuple(x.shape)
        if len(shape) < 2 or (not self.channel_shared and shape[1] != self.blobs[0].count):
            raise checks.error(
                self, f"bottom[0] (x) has shape {shape}, but the scale is of {self.blobs[0].count} channels"
            )
        self._view = shape[0], shape[1], math.prod(shape[2:])
        self._axes = (1, 2) if self.across_spatial else (1,)
        return [shape]

    def forward(self, bottom, top):
        x, y = bottom[0].data.reshape(self._view), top[0].data.reshape(self._view)
        scale = self.blobs[0].data.reshape(1, -1, 1)
        y[...], self._lengths = normalize_forward(self.xp, x, scale, self._axes, self.eps)

    def backward(self, top, propagate_down, bottom):
        x, d_y = bottom[0].data.reshape(self._view), top[0].diff.reshape(self._view)
        scale, d_scale = (array.reshape(1, -1, 1) for array in (self.blobs[0].data, self.blobs[0].diff))
        d_scale += normalize_backward_scale(x, self._lengths, d_y, scale.shape)
        if propagate_down[0]:
            d_x = bottom[0].diff.reshape(self._view)
            d_x[...] = normalize_backward(self.xp, x, scale, self._lengths, d_y, self._axes, self.legacy_gradient)


class PriorBox(NoGradient):
    """Boxes of several sizes and shapes at every cell of a map, which the net moves: SSD's priors, or default boxes.

    A box at the centre ((x + offset) step_w, (y + offset) step_h) for each min_size: a square of it; one of
    sqrt(min_size max_size); and of each aspect ratio r min_size sqrt(r) wide and min_size / sqrt(r) high. With
    denser_prior_boxes behind each a second one, at ((x + offset) step_w, (y + 1) step_h).

    Bottom:
        [0] a feature map (N, C, H, W): only H and W are used
        [1] the image (N, C, H, W): only H and W are used
    Top:
        [0] priors (1, 2, 4 H W P): x1, y1, x2, y2 of each of the P boxes of a cell, as shares of the image; and behind
            them, in [0, 1], the variances
    Backward:
        Zeros.
    Raises:
        ValueError for a bottom that is no map, and for sizes that do not go together.
    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", 2016, arXiv:1512.02325. PriorBox of SSD's Caffe, with its
        prior_box_param: sizes count as whole numbers there, 30.4 as 30; with whole_sizes false not here. Those of
        TextBoxes, arXiv:1611.06779, are denser always, those of TextBoxes++, arXiv:1801.02765, if they say so.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> bottoms = np.zeros((1, 8, 1, 1)), np.zeros((1, 3, 100, 100))
        >>> text = "{min_size: [30], max_size: [60], aspect_ratio: [2], flip: false}"
        >>> LayerRun(PriorBox, bottoms, param_str=text).forward()[0][0, 0].reshape(-1, 4).round(4)
        array([[0.35  , 0.35  , 0.65  , 0.65  ],
               [0.2879, 0.2879, 0.7121, 0.7121],
               [0.2879, 0.3939, 0.7121, 0.6061]])
    """

    min_size = Parameter([float], above=0, length=(1, None), doc="in pixels of the image")
    max_size = Parameter([float], (), above=0, doc="in pixels; none, or one for each min_size")
    aspect_ratio = Parameter([float], (), above=0, doc="width over height, beside 1, which is always there")
    flip = Parameter(bool, True, doc="1 / r too for each aspect ratio r")
    clip = Parameter(bool, False, doc="move the corners into the image")
    variance = Parameter([float], (0.1,), above=0, doc="of the codes of boxes: one, or four")
    img_size = Parameter(int, None, low=1, doc="height and width of the image; if not given, bottom[1]'s")
    img_h = Parameter(int, None, low=1, doc="the height alone, with img_w")
    img_w = Parameter(int, None, low=1, doc="the width alone, with img_h")
    step = Parameter(float, None, above=0, doc="height and width of a cell, in pixels; if not given, image over map")
    step_h = Parameter(float, None, above=0, doc="the height alone, with step_w")
    step_w = Parameter(float, None, above=0, doc="the width alone, with step_h")
    offset = Parameter(float, 0.5, doc="of a cell's centre, in cells")
    denser_prior_boxes = Parameter(bool, False, doc="each box once more, half a cell below: for lines of text")
    whole_sizes = Parameter(bool, True, doc="sizes lose what is behind the point, as in SSD's Caffe")

    def setup(self, bottom, top):
        checks.tops(self, top, "priors")
        if len(self.max_size) not in (0, len(self.min_size)):
            raise checks.error(self, f"max_size has {len(self.max_size)} sizes and min_size {len(self.min_size)}")
        sizes = [self._whole(self.min_size), self._whole(self.max_size)]
        if min(sizes[0]) <= 0 or any(low >= high for low, high in zip(*sizes)):
            wanted = "each min_size must be above 0 and below its max_size"
            if self.whole_sizes:
                wanted += ", without what is behind the point, see whole_sizes"
            raise checks.error(self, f"{wanted}; got {list(self.min_size)}, {list(self.max_size)}")
        if len(self.variance) not in (1, 4):
            raise checks.error(self, f"variance must be one number or four, got {len(self.variance)}")
        self._image, self._step = self._height_width("img_size", "img"), self._height_width("step", "step")

    def plan(self, feature, image):
        for i, blob in enumerate((feature, image)):
            if len(blob.shape) != 4:
                raise checks.error(self, f"bottom[{i}] must have the shape (N, C, H, W), got {tuple(blob.shape)}")
        cells, image = tuple(feature.shape[2:]), self._image or tuple(image.shape[2:])
        if not all(cells) or not all(image):
            raise checks.error(self, f"a map of {cells} cells on an image of {image} pixels has no boxes")
        self._priors = prior_boxes(
            cells,
            image,
            self._whole(self.min_size),
            self._whole(self.max_size),
            self.aspect_ratio,
            self.flip,
            self.clip,
            self.variance,
            self._step,
            self.offset,
            self.denser_prior_boxes,
        )
        return [self._priors.shape]

    def forward(self, bottom, top):
        top[0].data[...] = self._priors

    def _height_width(self, both, name):
        """Return what the parameters say of height and width; None where they say nothing."""
        pair = getattr(self, f"{name}_h"), getattr(self, f"{name}_w")
        whole = getattr(self, both)
        if pair == (None, None):
            return whole and (whole, whole)
        if None in pair or whole is not None:
            raise checks.error(self, f"needs {both}, or {name}_h and {name}_w, or none of them")
        return pair

    def _whole(self, sizes):
        return [float(int(size)) for size in sizes] if self.whole_sizes else list(sizes)


class DetectionOutput(NoGradient):
    """What SSD detects: boxes decoded, and of those that overlap the best of each class.

    A box counts for a class if its score is above confidence_threshold; of a class's best top_k boxes those stay whose
    IoU with all better ones that stay is at most nms_threshold; of all classes' the best keep_top_k.

    Bottom:
        [0] locations (N, P L 4), codes of P boxes, with an outline (N, P L 12) or (N, P L 9); L is 1, or num_classes
            without share_location
        [1] scores (N, P num_classes), probabilities
        [2] priors (1, 2, 4 P), PriorBox's
        [3] optional, RefineDet's: scores (N, 2 P) of a first stage; what it takes for background is background
        [4] optional, RefineDet's: locations (N, 4 P) of a first stage, which move the priors
    Top:
        [0] (1, 1, K, 7): image, class, score, x1, y1, x2, y2 as shares of the image, by image, class and score;
            without any detection (1, 1, N, 7), and all but the image is -1. An outline stands behind: of a polygon
            x1, y1 to x4, y4, clockwise from the upper left corner; of a rotated box its first two corners and height
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, and for scores, and boxes of detections, that are no numbers.
    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", 2016, arXiv:1512.02325; Zhang et al., "Single-Shot Refinement
        Neural Network for Object Detection", 2018, arXiv:1711.06897. DetectionOutput of SSD's Caffe, with its
        detection_output_param; the fields of its nms_param stand beside the others here. Outlines are those of Liao et
        al., "TextBoxes++: A Single-Shot Oriented Scene Text Detector", 2018, arXiv:1801.02765.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> priors = np.array([[[0.1, 0.1, 0.3, 0.3, 0.5, 0.5, 0.9, 0.9], [0.1, 0.1, 0.2, 0.2] * 2]])
        >>> text = "{num_classes: 2, code_type: center_size, nms_threshold: 0.45}"
        >>> bottoms = np.array([[0, 0, 0, 0, 1, -1, 0.5, 0]]), np.array([[0.1, 0.9, 0.2, 0.8]]), priors
        >>> LayerRun(DetectionOutput, bottoms, param_str=text).forward()[0][0, 0].round(3)
        array([[0.   , 1.   , 0.9  , 0.1  , 0.1  , 0.3  , 0.3  ],
               [0.   , 1.   , 0.8  , 0.519, 0.46 , 0.961, 0.86 ]])
    """

    num_classes = Parameter(int, low=1, doc="background among them")
    share_location = Parameter(bool, True, doc="one box for all classes")
    background_label = Parameter(int, 0, doc="the class that is not detected; -1: none")
    code_type = Parameter(str, "corner", choices=CODES, doc="how a location is coded")
    variance_encoded_in_target = Parameter(bool, False, doc="the codes are not to be multiplied by the variances")
    confidence_threshold = Parameter(float, None, doc="a score must be above it; none by default")
    nms_threshold = Parameter(float, 0.3, low=0, doc="IoU above which the worse of two boxes goes")
    top_k = Parameter(int, -1, low=-1, doc="boxes of a class that are looked at; -1: all")
    eta = Parameter(float, 1.0, above=0, high=1, doc="after each box a threshold above 0.5 is multiplied by it")
    keep_top_k = Parameter(int, -1, low=-1, doc="detections of an image; -1: all")
    objectness_score = Parameter(float, 0.01, doc="with bottom[3]: an object's score must be this or more")
    outline = Parameter(str, "none", choices=tuple(OUTLINES), doc="what else than a box is decoded, by center_size")

    def setup(self, bottom, top):
        checks.tops(self, top, "detections")
        self._codes = 4 + OUTLINES[self.outline]
        if self.outline != "none" and self.code_type != "center_size":
            raise checks.error(self, f"outline {self.outline} needs code_type center_size, got {self.code_type}")

    def plan(self, locations, scores, priors, arm_scores=None, arm_locations=None):
        images, boxes = locations.shape[0], math.prod(priors.shape) // 8
        each = 1 if self.share_location else self.num_classes
        values = [images * boxes * count for count in (self._codes * each, self.num_classes, 0, 2, 4)]
        values[2] = 8 * boxes
        check_prior_blobs(self, (locations, scores, priors, arm_scores, arm_locations), values, images, boxes)
        self._shape = images, boxes, each
        return [(1, 1, 1, 3 + self._codes)]

    def forward(self, bottom, top):
        images, count, each = self._shape
        scores = bottom[1].data.reshape(images, count, self.num_classes)
        checks.numbers(self, "bottom[1] (scores)", bottom[1].data)
        threshold = -np.inf if self.confidence_threshold is None else self.confidence_threshold
        top_k, keep_top_k = (None if most < 0 else most for most in (self.top_k, self.keep_top_k))
        decoded = np.zeros((count, each, self._codes), scores.dtype)
        rows = [np.zeros((0, 3 + self._codes))]
        for image in range(images):
            of_image = scores[image]
            if len(bottom) > 3:
                objects = bottom[3].data.reshape(images, count, 2)[image, :, 1] >= self.objectness_score
                of_image = np.where(objects[:, None], of_image, np.eye(1, self.num_classes, self.background_label))
            among = candidates(of_image, threshold, top_k, self.background_label)
            used = np.zeros(count, bool)  # often a few of thousands
            for index in among.values():
                used[index] = True
            decoded[used] = self._decode(bottom, image, used)
            labels, kept, found = detections(
                decoded[:, 0] if self.share_location else decoded,
                of_image,
                among,
                self.nms_threshold,
                keep_top_k,
                self.eta,
            )
            if not np.isfinite(found).all():  # in boxes that count
                for i in range(len(bottom)):
                    checks.numbers(self, f"bottom[{i}]", bottom[i].data)
            rows.append(np.column_stack([np.full(len(labels), image), labels, kept, found]))
        result = np.concatenate(rows)
        if not len(result):
            result = np.full((images, 3 + self._codes), -1.0)
            result[:, 0] = range(images)
        top[0].reshape(1, 1, *result.shape)
        top[0].data[...] = result

    def _decode(self, bottom, image, used):
        """Return the boxes of those locations of an image that are used, (K, L, 4 + the outline's values)."""
        images, count, each = self._shape
        locations = bottom[0].data.reshape(images, count, each, self._codes)[image, used]
        boxes, variances = bottom[2].data.reshape(2, count, 1, 4)[:, used]
        if self.variance_encoded_in_target:
            variances = np.ones_like(variances)
        if len(bottom) > 4:
            first = bottom[4].data.reshape(images, count, 1, 4)[image, used]
            boxes = decode_priors(boxes, first, self.code_type, variances)
        decoded = decode_priors(boxes, locations[..., :4], self.code_type, variances)
        if self.outline == "none":
            return decoded
        outlines = decode_outlines(boxes, locations[..., 4:], self.outline, variances)
        return np.concatenate([decoded, outlines], -1)

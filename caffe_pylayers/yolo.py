"""What YOLO nets detect: boxes at every cell of their maps, and of those that overlap the best; and which are right.

layer {
  name: "detection_out"  type: "Python"
  bottom: "conv19"  bottom: "conv20"  top: "detection_out"
  python_param {
    module: "caffe_pylayers.yolo"  layer: "Yolov3DetectionOutput"
    param_str: "{num_classes: 20, anchors: [10,14, 23,27, 37,58, 81,82, 135,169, 344,319], mask: [3,4,5, 0,1,2], "
               "strides: [32, 16]}"
  }
}
layer {
  name: "detection_out"  type: "Python"
  bottom: "conv22"  top: "detection_out"
  python_param {
    module: "caffe_pylayers.yolo"  layer: "YoloDetectionOutput"
    param_str: "{num_classes: 20, anchors: [1.08,1.19, 3.42,4.41, 6.63,11.38, 9.42,5.11, 16.62,10.52]}"
  }
}
layer {
  name: "eval_det"  type: "Python"
  bottom: "conv22"  bottom: "label"  top: "eval_det"
  python_param {
    module: "caffe_pylayers.yolo"  layer: "YoloEvaluate"
    param_str: "{num_classes: 20, anchors: [1.08,1.19, 3.42,4.41, 6.63,11.38, 9.42,5.11, 16.62,10.52]}"
  }
  include { phase: TEST }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.detection import gt_boxes
from caffe_pylayers._layer.detection.average_precision import match_voc
from caffe_pylayers._layer.detection.cell_boxes import check_map, corners, decode_cells, pairs
from caffe_pylayers._layer.detection.nms import greedy_nms
from caffe_pylayers._layer.detection.overlaps import box_iou_forward
from caffe_pylayers._layer.functions.sigmoid import sigmoid
from caffe_pylayers._layer.functions.softmax import softmax

__all__ = [
    "YoloDetectionOutput",
    "YoloEvaluate",
    "Yolov3DetectionOutput",
    "decode_cells",
    "yolo_detections",
    "yolov3_detections",
]

SCORES = ("product", "object", "class")


def yolov3_detections(maps, anchors, stride, threshold, gaussian=False, best=False):
    """Return (boxes, classes, scores) of each box and class of one image whose score is above the threshold.

    score = sigma(class) sigma(object); boxes (K, 4) as x1, y1, x2, y2.

    maps: (A, 5 + C, H, W): t_x, t_y, t_w, t_h, object, classes. anchors: (A, 2) in pixels. stride: pixels of a cell.
    gaussian: (A, 9 + C, H, W), each t with a logit of its deviation behind it: score times 1 - their mean.
    best: of each box with its best class alone.
    """
    codes, first = (slice(0, 8, 2), 9) if gaussian else (slice(4), 5)
    objects = sigmoid(np, maps[:, first - 1])
    if gaussian:
        objects *= 1 - sigmoid(np, maps[:, 1:8:2]).mean(1)
    anchor, row, column = np.nonzero(objects > threshold)  # no class has more
    found = maps[anchor, :, row, column]
    scores = sigmoid(np, found[:, first:]) * objects[anchor, row, column][:, None]
    grid = np.array(maps.shape[:1:-1])
    boxes = decode_cells(found[:, codes], np.stack([column, row], 1), anchors[anchor], grid, grid * stride)
    good = scores > threshold
    if best:
        good &= scores.argmax(1)[:, None] == np.arange(scores.shape[1])
    which, classes = np.nonzero(good)
    return corners(boxes)[which], classes, scores[which, classes]


def yolo_detections(maps, anchors, threshold, score="product"):
    """Return (boxes, classes, scores) of each box of one image that scores the threshold or more, with its best class.

    score = softmax(classes) sigma(object), or one of the two; boxes (K, 4) as x1, y1, x2, y2.

    maps: (A, 5 + C, H, W): t_x, t_y, t_w, t_h, object, classes. anchors: (A, 2) in cells.
    """
    objects = sigmoid(np, maps[:, 4])
    anchor, row, column = np.nonzero(objects >= (0 if score == "class" else threshold))  # no product is more
    found = maps[anchor, :, row, column]
    shares = found[:, 5:]
    softmax(np, shares, 1, shares)
    classes = shares.argmax(1)
    scores = shares.max(1) if score != "object" else np.ones(len(shares), shares.dtype)
    if score != "class":
        scores = scores * objects[anchor, row, column]
    grid = np.array(maps.shape[:1:-1])
    boxes = decode_cells(found[:, :4], np.stack([column, row], 1), anchors[anchor], grid, grid)
    good = scores >= threshold
    return corners(boxes)[good], classes[good], scores[good]


class _Detections(NoGradient):
    """A layer whose top has a row for each box that it detects in maps of one net."""

    num_classes = Parameter(int, low=1, doc="C, without background")
    anchors = Parameter([float], above=0, length=(2, None), doc="width and height of each anchor in turn")
    confidence_threshold = Parameter(float, 0.01, doc="the least score")
    nms_threshold = Parameter(float, 0.45, above=0, doc="IoU from which on the worse of two boxes goes")

    def setup(self, bottom, top):
        checks.tops(self, top, "detections")
        anchors = pairs(self, "anchors")
        self._anchors, self._values = [anchors] * len(bottom), 5 + self.num_classes

    def plan(self, *maps):
        self._views = [
            check_map(self, f"bottom[{i}] (maps)", blob.shape, len(self._anchors[i]), self._values)
            for i, blob in enumerate(maps)
        ]
        images = [view[0] for view in self._views]
        if len(set(images)) > 1:
            raise checks.error(self, f"all maps must be of the same images, got {images} of them")
        return [(1, 1, 1, 7)]

    def forward(self, bottom, top):
        rows = [np.zeros((0, 7))]
        for image, (boxes, classes, scores) in enumerate(self.images(bottom)):
            rows.append(np.column_stack([np.full(len(boxes), image), classes + 1, scores, boxes]))
        result = np.concatenate(rows)
        if not len(result):
            images = bottom[0].data.shape[0]
            result = np.full((images, 7), -1.0)
            result[:, 0] = range(images)
        top[0].reshape(1, 1, *result.shape)
        top[0].data[...] = result

    def detected(self, i, maps):
        """Return boxes, classes and scores in map i of one image, maps (A, values, H, W)."""
        raise NotImplementedError(f"{type(self).__name__}: detected is not defined")

    def images(self, bottom):
        """Yield (boxes, classes, scores) of what is kept of each image, the best score first."""
        for i in range(len(self._views)):
            checks.numbers(self, f"bottom[{i}] (maps)", bottom[i].data)
        seen = [bottom[i].data.reshape(view) for i, view in enumerate(self._views)]
        for image in range(len(seen[0])):
            found = (self.detected(i, maps[image]) for i, maps in enumerate(seen))
            boxes, classes, scores = map(np.concatenate, zip(*found))
            boxes = boxes.astype(np.float64)
            least = float(np.nextafter(self.nms_threshold, 0))  # to be that is enough
            kept = greedy_nms(boxes, scores, least, plus_one=False)
            yield boxes[kept], classes[kept], scores[kept]


class Yolov3DetectionOutput(_Detections):
    """What YOLOv3 detects: every box and class that scores enough, and of those that overlap the best one.

    A box at each cell for each anchor of its map: x = (column + sigma(t_x)) / W, w = anchor exp(t_w) / (stride W); for
    each class sigma(class) sigma(object), which must be above confidence_threshold. From the best score down a box
    stays if its IoU with each that stays is below nms_threshold, whatever their classes are.

    Bottom:
        [0 ...] a map for each stride (N, A (5 + C), H, W): of each of its A anchors t_x, t_y, t_w, t_h, object and the
            classes, before any sigmoid
    Top:
        [0] (1, 1, K, 7): image, class from 1 on, score, x1, y1, x2, y2 as shares of the image, by image and score;
            without any detection (1, 1, N, 7), and all but the image is -1
    Backward:
        Zeros.
    Raises:
        ValueError for maps that do not fit the parameters, and for values that are no numbers.
    References:
        Redmon and Farhadi, "YOLOv3: An Incremental Improvement", 2018, arXiv:1804.02767; Choi et al., "Gaussian
        YOLOv3", 2019, arXiv:1904.04620. Yolov3DetectionOutput of eric612/MobileNet-YOLO, whose biases are the anchors
        and anchors_scale the strides here. Of several images it takes all boxes for those of the first, and lets boxes
        of one suppress those of another; here each image is its own.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> maps = [[[[0.0]], [[1.0]], [[0.5]], [[0.0]], [[2.0]], [[1.0]]]]
        >>> text = "{num_classes: 1, anchors: [10, 14], strides: [32]}"
        >>> LayerRun(Yolov3DetectionOutput, [maps], param_str=text).forward()[0].round(4)
        array([[[[0.    , 1.    , 0.6439, 0.2424, 0.5123, 0.7576, 0.9498]]]])
    """

    strides = Parameter([int], low=1, length=(1, None), doc="of each map: the pixels of a cell")
    mask = Parameter([int], (), low=0, doc="the anchors of each map in turn, as many for each; default: all in order")
    gaussian_box = Parameter(bool, False, doc="Gaussian YOLOv3: behind each t the logit of its deviation, 9 + C values")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, *(f"maps of stride {stride}" for stride in self.strides))
        super().setup(bottom, top)
        anchors, maps = self._anchors[0], len(bottom)
        mask = self.mask or range(len(anchors))
        if len(mask) % maps or max(mask) >= len(anchors):
            raise checks.error(
                self, f"mask must name as many of {len(anchors)} anchors for each of {maps} maps, got {list(mask)}"
            )
        self._anchors = anchors[list(mask)].reshape(maps, -1, 2)
        self._values += 4 if self.gaussian_box else 0

    def detected(self, i, maps):
        best = self.nms_threshold <= 1  # then a box's best class suppresses its others, whose IoU with it is 1
        of_map = self._anchors[i], self.strides[i]
        return yolov3_detections(maps, *of_map, self.confidence_threshold, self.gaussian_box, best)


class YoloDetectionOutput(_Detections):
    """What YOLOv2 detects: every box that scores enough, with its best class, and of those that overlap the best one.

    A box at each cell for each anchor: x = (column + sigma(t_x)) / W, w = anchor exp(t_w) / W; its score
    softmax(classes) sigma(object), of the best class, must be confidence_threshold or more. From the best score down a
    box stays if its IoU with each that stays is below nms_threshold, whatever their classes are.

    Bottom:
        [0] maps (N, A (5 + C), H, W): of each of A anchors t_x, t_y, t_w, t_h, object and the classes, before any
            sigmoid or softmax
        [1] more maps of the same images, optional
    Top:
        [0] (1, 1, K, 7): image, class from 1 on, score, x1, y1, x2, y2 as shares of the image, by image and score;
            without any detection (1, 1, N, 7), and all but the image is -1
    Backward:
        Zeros.
    Raises:
        ValueError for maps that do not fit the parameters, and for values that are no numbers.
    References:
        Redmon and Farhadi, "YOLO9000: Better, Faster, Stronger", 2017, arXiv:1612.08242. YoloDetectionOutput of
        eric612/MobileNet-YOLO, whose biases are the anchors here. That takes maps for square, and all boxes of several
        images for those of the first; here each image is its own.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> maps = [[[[0.0]], [[1.0]], [[0.5]], [[0.0]], [[2.0]], [[1.0]], [[0.0]]]]
        >>> text = "{num_classes: 2, anchors: [0.25, 0.5]}"
        >>> LayerRun(YoloDetectionOutput, [maps], param_str=text).forward()[0].round(4)
        array([[[[0.    , 1.    , 0.6439, 0.2939, 0.4811, 0.7061, 0.9811]]]])
    """

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "maps", "more maps", optional=1)
        super().setup(bottom, top)

    def detected(self, i, maps):
        return yolo_detections(maps, self._anchors[i], self.confidence_threshold)


class YoloEvaluate(_Detections):
    """What of YOLOv2's detections is right, and how many objects there are, a row for each image.

    The boxes are those of YoloDetectionOutput. One is right if the object of its class that it overlaps most, by an IoU
    of overlap_threshold or more, has no better one.

    Bottom:
        [0] maps (N, A (5 + C), H, W), as YoloDetectionOutput takes them
        [1] gt_boxes (1, 1, G, 8): the image's index, class from 1 on, instance, x1, y1, x2, y2 as shares of the image,
            difficult, which does not count; and in the other forms that MeanAveragePrecision takes
        [2] data, optional: nothing of it is used
    Top:
        [0] (N, C + 4 A H W): of each image the number of objects of each class; then for each detection its class from
            0 on, score, 1 where right, 1 where wrong, by class and score; behind the last one 0
    Backward:
        Zeros.
    Raises:
        ValueError for maps that do not fit the parameters, for values that are no numbers, and for objects of no class
        or image that there is.
    References:
        Redmon and Farhadi, "YOLO9000: Better, Faster, Stronger", 2017, arXiv:1612.08242. EvalDetection of intel/caffe,
        whose top test_detection reads, with legacy_version. For the mean average precision of a pass take
        YoloDetectionOutput with MeanAveragePrecision.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> maps = [[[[0.0]], [[0.0]], [[0.0]], [[0.0]], [[2.0]], [[1.0]], [[0.0]]]]
        >>> gt_boxes = [[[[0, 1, 0, 0.4, 0.3, 0.6, 0.7, 0]]]]
        >>> text = "{num_classes: 2, anchors: [0.25, 0.5]}"
        >>> LayerRun(YoloEvaluate, [maps, gt_boxes], param_str=text).forward()[0].round(4)
        array([[1.    , 0.    , 0.    , 0.6439, 1.    , 0.    ]])
    """

    confidence_threshold = Parameter(float, 0.005, doc="the least score")
    overlap_threshold = Parameter(float, 0.5, above=0, high=1, doc="IoU of a right detection with its object")
    score = Parameter(str, "product", choices=SCORES, doc="of a box: its object's, its class's, or their product")
    legacy_version = Parameter(
        bool, False, doc="where its image has objects of its class, one that overlaps none enough is not wrong"
    )

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "maps", "gt_boxes", "data", optional=1)
        super().setup(bottom, top)

    def plan(self, maps, gt_boxes, data=None):
        super().plan(maps)
        images, anchors, _, height, width = self._views[0]
        return [(images, self.num_classes + 4 * anchors * height * width)]

    def forward(self, bottom, top):
        images = len(bottom[0].data)
        truth = gt_boxes.read(self, "bottom[1] (gt_boxes)", bottom[1].data, images, self.num_classes + 1)
        result = top[0].data
        result[...] = 0
        for image, (boxes, classes, scores) in enumerate(self.images(bottom)):
            here = truth.of(image)
            result[image, : self.num_classes] = np.bincount(here.classes - 1, minlength=self.num_classes)
            right, wrong = self._judged(boxes, classes, here)
            order = np.argsort(classes, kind="stable")
            rows = np.column_stack([classes, scores, right, wrong])[order]
            result[image, self.num_classes :][: rows.size] = rows.ravel()

    def detected(self, i, maps):
        return yolo_detections(maps, self._anchors[i], self.confidence_threshold, self.score)

    def _judged(self, boxes, classes, objects):
        """Return (right, wrong), booleans (K,), for the detections of an image, the best score first."""
        right = np.zeros(len(boxes), bool)
        wrong = np.ones(len(boxes), bool)
        for c in np.unique(classes):
            mine, theirs = classes == c, objects.boxes[objects.classes == c + 1].astype(np.float64)
            none = np.zeros(len(theirs), bool)
            right[mine] = match_voc(boxes[mine], theirs, none, [self.overlap_threshold], plus_one=False)[0][0]
            if self.legacy_version and len(theirs):
                wrong[mine] = box_iou_forward(boxes[mine], theirs, False).max(1) >= self.overlap_threshold
        return right, wrong & ~right

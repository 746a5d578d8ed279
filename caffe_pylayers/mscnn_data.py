"""Images with boxes from the window files of MS-CNN and Cascade R-CNN, and labels of the cells of maps.

    layer {
      name: "data"  type: "Python"  top: "data"  top: "label_1_5x5"  top: "label_2_5x5"  top: "gt_boxes"
      python_param {
        module: "caffe_pylayers.mscnn_data"  layer: "ImageGtData"
        param_str: '{"source": "window_file_train.txt", "batch_size": 4, "resize": [384, 1280], "crop": [384, 512], '
                   '"mirror": true, "mean": [104, 117, 123], "min_gt_height": 25, "stride": [8, 16], '
                   '"field_w": [40, 80], "field_h": [40, 80]}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "data"  top: "label_1"  top: "label_2"  top: "gt_boxes"
      python_param {
        module: "caffe_pylayers.mscnn_data"  layer: "DetectionData"
        param_str: '{"source": "window_file_voc0712_trainval.txt", "root": "VOCdevkit", "batch_size": 2, '
                   '"shorter": 600, "longer": 1000, "aspect_run": 0, "mirror": true, "mean": [104, 117, 123], '
                   '"stride": [16, 16], "field_w": [176, 88], "field_h": [88, 176], "fg_threshold": 0.7}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "data"  top: "gt_boxes"  top: "image_sizes"
      python_param {
        module: "caffe_pylayers.mscnn_data"  layer: "EvalData"
        param_str: '{"source": "window_file_voc07_test.txt", "root": "VOCdevkit", "shorter": 600, "longer": 1000, '
                   '"mean": [104, 117, 123]}'
      }
    }

They need OpenCV: pip install 'caffe-pylayers[images]'.
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.samplers import Alternating, InOrder
from caffe_pylayers._layer.detection.map_labels import Rules, map_labels, round_half_up
from caffe_pylayers._layer.images.augment import resize, scale_boxes
from caffe_pylayers._layer.images.distortions import AMOUNTS, distort
from caffe_pylayers._layer.images.window_data import GRID, LabelledWindows, WindowData, placed
from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers._layer.quote import short

__all__ = ["DetectionData", "EvalData", "ImageGtData", "map_labels", "placed"]


class ImageGtData(LabelledWindows):
    """Images and boxes of MS-CNN's window files, and what the cells of its maps are to find.

    In this order: mirrored, resized, scaled by a random factor that gives a random object another of the sizes from
    min_scale to max_scale, in steps of the root of 2, a crop with that object in its middle, moved by up to 10 pixels
    at random, the mean subtracted, scaled. All of it happens in TEST too, where an image has the same numbers in each
    pass. A cell is to find the object that its anchor overlaps by an IoU above fg_threshold; an object that none does,
    the cell at its middle.

    Bottom:
        none
    Top:
        [0] data (N, 3, H, W): BGR
        [1 ..] labels (N, 6, H / stride, W / stride), for each anchor: class, x and y of a centre, width, height, and
            the largest IoU with an object; 1 for cells that count for nothing
        [F + 1] gt_boxes, optional, (G, 7, 1, 1): image, x1, y1, x2, y2, class, 1 for one to ignore, of all images;
            without any (0, 1, 1, 2, 2, 1, 1)
    Backward:
        none
    Raises:
        ValueError for a window file that cannot be read, and files that are not there, before the net is built; for
        what is no image, or not as large as its record says, by the forward that was to use it. Each message names the
        file and the record.
    References:
        Cai, Fan, Feris, Vasconcelos, "A Unified Multi-scale Deep Convolutional Neural Network for Fast Object
        Detection", 2016, arXiv:1607.07155. ImageGtData of its Caffe, with the fields of its image_gt_data_param, in
        order in TEST. Random numbers are others.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "a.pgm"), "wb") as file:
        ...         _ = file.write(b"P5 16 8 255 " + bytes(128))
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("# 0 a.pgm 3 8 16 1 2 0 8 0 16 8 0")
        ...     param_str = str({"source": source.name, "root": folder, "stride": [8], "field_w": [8], "field_h": [8]})
        ...     data, label, gt_boxes = LayerRun(ImageGtData, param_str=param_str, tops=3).forward()
        >>> label[0, :, 0]
        array([[ 0.,  2.],
               [ 0., 12.],
               [ 0.,  4.],
               [ 0.,  8.],
               [ 0.,  8.],
               [ 0.,  1.]])
    """

    min_scale = Parameter(float, None, above=0, doc="with max_scale: half of the images are scaled; least side")
    max_scale = Parameter(float, None, above=0, doc="largest side of the object in the middle, in pixels")

    def prepare(self):
        super().prepare()
        low, high = self.min_scale, self.max_scale
        if (low is None) != (high is None) or (low is not None and low > high):
            raise checks.error(self, f"takes min_scale with a max_scale that is no less, got {low} and {high}")

    def factor(self, rng, box):
        if self.min_scale is None or rng.random() < 0.5:
            return 1.0
        octaves = math.log2(self.max_scale / self.min_scale)
        steps = np.arange(round_half_up(2 * octaves + 1)) / 2
        area, areas = (box[2] - box[0]) * (box[3] - box[1]), (self.min_scale * 2**steps) ** 2
        nearest = steps[(np.minimum(area, areas) / np.maximum(area, areas)).argmax()]
        return float(2 ** (steps[int(rng.random() * len(steps))] - nearest))


class DetectionData(LabelledWindows):
    """Images and boxes of Cascade R-CNN's window files, and what the cells and fields of its maps are to find.

    In this order: colours distorted, mirrored, resized, a random object moved to the middle of the canvas and by up to
    10 pixels beside it, the mean subtracted, scaled. All of it happens in TEST too, where an image has the same numbers
    in each pass. With shorter and longer the canvas is as high or as wide as longer, as the first image of the
    batch is; its sides are then multiples of 32. A cell is to find the object that its anchor overlaps by an IoU above
    fg_threshold; an object that none does, the cell at its middle.

    Bottom:
        none
    Top:
        [0] data (N, 3, H, W): BGR
        [1 ..] labels (N, 6, H / stride, W / stride), for each anchor: class, x and y of a centre, width, height, and
            the largest IoU with an object; 1 for cells that count for nothing
        [F + 1] gt_boxes, optional, (G, 8, 1, 1): image, x1, y1, x2, y2, class, 1 for one to ignore, 1 for a difficult
            one, of all images; without any a row of -1
    Backward:
        none
    Raises:
        ValueError for a window file that cannot be read, and files that are not there, before the net is built; for
        what is no image, or not as large as its record says, by the forward that was to use it. Each message names the
        file and the record.
    References:
        Cai and Vasconcelos, "Cascade R-CNN: Delving into High Quality Object Detection", 2018, arXiv:1712.00726.
        DetectionData of its Caffe, with the fields of its detection_data_param that its nets have. Random numbers are
        others.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "a.pgm"), "wb") as file:
        ...         _ = file.write(b"P5 16 8 255 " + bytes(128))
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("# 0 a.pgm 3 8 16 1 2 0 1 8 0 15 7 0")
        ...     param_str = str({"source": source.name, "root": folder})
        ...     data, gt_boxes = LayerRun(DetectionData, param_str=param_str, tops=2).forward()
        >>> gt_boxes[:, :, 0, 0]
        array([[ 0.,  8.,  0., 15.,  7.,  2.,  0.,  1.]])
    """

    ignore_fg_threshold = Parameter(
        float, 0.4, above=0, doc="share of an anchor in regions of no interest from which on it counts for nothing"
    )
    anchor_ignore_margin_ratio = Parameter(
        float,
        None,
        doc="anchors that are farther beyond the image, in halves of an anchor, count for nothing; default: none",
    )
    pickup_iou_thr = Parameter(float, 0.2, doc="least IoU of the object that the cell at its middle is to find")
    distort = Parameter({str: float}, {}, low=0, doc=f"SSD's distort_param, by name: {', '.join(AMOUNTS)}")
    aspect_run = Parameter(
        int,
        None,
        low=0,
        doc="TRAIN: so many images that are higher than wide in turn with others, 0: all; default: mixed",
    )

    flags = 2
    no_box = (-1,) * 8

    def prepare(self):
        super().prepare()
        for key in self.distort:
            if key not in AMOUNTS:
                raise checks.error(
                    self, f"a key of parameter distort must be one of {', '.join(AMOUNTS)}, got {short(key)}"
                )

    def sampler(self):
        if self.aspect_run is None or self.phase != TRAIN or not self.shuffle:
            return super().sampler()
        high = np.array([each.size[0] >= each.size[1] for each in self._listed])
        groups = [np.flatnonzero(each).tolist() for each in (high, ~high)]
        return Alternating(groups, self.aspect_run or len(high), self.item_seed)

    def colours(self, rng, pixels):
        return distort(rng, pixels, self.distort) if self.distort else pixels

    def rules(self):
        return Rules(
            plus_one=True,
            fg_threshold=self.fg_threshold,
            ignore_threshold=self.ignore_fg_threshold,
            objects_first=True,
            margin=self.anchor_ignore_margin_ratio,
            pickup=self.pickup_iou_thr,
        )


class EvalData(WindowData):
    """Images and boxes of Cascade R-CNN's window files for a test: whole, in their order.

    With shorter the image is resized so that its shorter side has that, and no side more than longer. Sides are
    rounded to multiples of 32.

    Bottom:
        none
    Top:
        [0] data (N, 3, H, W): BGR
        [1] gt_boxes (G, 8, 1, 1): image, x1, y1, x2, y2, class, 1 for one to ignore, 1 for a difficult one; without any
            a row of -1
        [2] image_sizes, optional, (N, 2, 1, 1): height and width
    Backward:
        none
    Raises:
        ValueError for a window file that cannot be read, files that are not there, and a batch_size above 1 without
        resize, before the net is built; for what is no image, or not as large as its record says, by the forward that
        was to use it. Each message names the file and the record.
    References:
        Cai and Vasconcelos, "Cascade R-CNN", 2018, arXiv:1712.00726. EvalData of its Caffe, with the fields of its
        eval_data_param.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "a.pgm"), "wb") as file:
        ...         _ = file.write(b"P5 16 8 255 " + bytes(128))
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("# 0 a.pgm 3 8 16 0 0")
        ...     param_str = str({"source": source.name, "root": folder, "shorter": 40, "longer": 60})
        ...     data, gt_boxes, sizes = LayerRun(EvalData, param_str=param_str, tops=3).forward()
        >>> sizes[0, :, 0, 0]
        array([32., 64.])
    """

    flags = 2
    no_box = (-1,) * 8
    tops = ("data", "gt_boxes", "image_sizes")
    optional_tops = 1
    row_tops = ("gt_boxes",)

    def prepare(self):
        super().prepare()
        if self.batch_size > 1 and self.resize is None:
            raise checks.error(self, f"needs the parameter resize for a batch_size of {self.batch_size}")

    def sampler(self):
        return InOrder(self.item_count())

    def item(self, index, rng):
        listed = self._listed[index]
        pixels = self.pixels(listed)
        height, width = (max(round_half_up(side / GRID), 1) * GRID for side in self._size(pixels.shape[:2]))
        by = height / pixels.shape[0], width / pixels.shape[1]
        data = self.planes(resize(pixels, (height, width)))
        return data, scale_boxes(listed.rows, by), np.array([height, width])[:, None, None]

    def _size(self, size):
        if self.shorter:
            by = self.shorter / min(size)
            return [min(round_half_up(side * by), self.longer) for side in size]
        return self.resize or size

"""Images with boxes from the databases of SSD, changed as SSD changes them.

    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.annotated_data"  layer: "AnnotatedData"
        param_str: '{"source": "VOC0712_trainval_lmdb", "batch_size": 32, "resize": [300, 300], "mirror": true, '
                   '"mean": [104, 117, 123], "interpolation": ["linear", "area", "nearest", "cubic", "lanczos4"], '
                   '"max_expand_ratio": 4, "expand_prob": 0.5, "emit_type": "center", '
                   '"distort": {"brightness_prob": 0.5, "brightness_delta": 32, "contrast_prob": 0.5, '
                   '"contrast_lower": 0.5, "contrast_upper": 1.5, "hue_prob": 0.5, "hue_delta": 18, '
                   '"saturation_prob": 0.5, "saturation_lower": 0.5, "saturation_upper": 1.5}, '
                   '"batch_samplers": [{"max_sample": 1, "max_trials": 1}, {"min_scale": 0.3, "max_sample": 1, '
                   '"max_trials": 50, "min_aspect_ratio": 0.5, "max_aspect_ratio": 2, "min_jaccard_overlap": 0.5}]}'
      }
    }

It needs OpenCV: pip install 'caffe-pylayers[images]'. ``caffe-pylayers convert-annotated`` makes such databases.
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.annotated_datum import message_class
from caffe_pylayers._layer.data.record_data import RecordData
from caffe_pylayers._layer.detection.cell_labels import written
from caffe_pylayers._layer.detection.windows import (
    CONSTRAINTS,
    EMIT_TYPES,
    SAMPLER,
    emitted,
    in_window,
    jittered_window,
    random_windows,
    sampled_windows,
    satisfying,
)
from caffe_pylayers._layer.images.distortions import AMOUNTS, add_noise, distort
from caffe_pylayers._layer.images.fitted_data import FittedData, image_of
from caffe_pylayers._layer.images.fitting import cut, expand, extrapolate_boxes, fit, fit_boxes
from caffe_pylayers._layer.quote import short

__all__ = [
    "AnnotatedData",
    "add_noise",
    "boxes_of",
    "cut",
    "distort",
    "emitted",
    "expand",
    "extrapolate_boxes",
    "fit",
    "fit_boxes",
    "image_of",
    "in_window",
    "jittered_window",
    "message_class",
    "random_windows",
    "sampled_windows",
    "satisfying",
]

_BOX = slice(2, 6)  # of a row's columns: class, number, x1, y1, x2, y2, difficult
_FAR = 1  # image sizes beyond the image: no annotator goes there, but pixels do


def boxes_of(record):
    """Return the boxes of an AnnotatedDatum, (R, 7): class, number, x1, y1, x2, y2, difficult.

    ValueError for a box that is none: not of numbers, one that ends before it begins, one in pixels. What is a little
    outside the image is there, and cut off as a window cuts it.
    """
    rows = [
        (group.group_label, each.instance_id, box.xmin, box.ymin, box.xmax, box.ymax, box.difficult)
        for group in record.annotation_group
        for each in group.annotation
        for box in [each.bbox]
    ]
    found = np.array(rows, np.float64).reshape(-1, 7)
    low, high = found[:, 2:4], found[:, 4:6]
    right = (low >= -_FAR) & (low <= high) & (high <= 1 + _FAR)  # and so no NaN
    for number in np.flatnonzero(~right.all(1)):
        box = ", ".join(f"{side:g}" for side in found[number, _BOX])
        wanted = "must have x1 <= x2 and y1 <= y2 in parts of the image, from 0 to 1"
        raise ValueError(f"box {number}, of class {found[number, 0]:g}, {wanted}, got {box}")
    return found


class AnnotatedData(FittedData, RecordData):
    """Images with boxes from an LMDB of AnnotatedDatum, SSD's records.

    In this order: colours distorted, put on a larger canvas of the mean, a random window cut out that fits the boxes,
    resized, noise added, cropped, mirrored, the mean subtracted, scaled. Boxes follow, those that a window leaves too
    little of are left out. What is asked for is done in either phase, as in SSD, but for the crop, which is in the
    middle in TEST.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W)
        [1] label, optional: (1, 1, G, 8): image, class, number in its class, x1, y1, x2, y2 in parts of the image,
            difficult, of all boxes of the batch, and one row of -1 where there is none; (N,) for a database without
            annotations, of classification; with label_form yolo (N, 1, 300, 5): class from 0 on, x, y, w, h of a centre
            and a size in parts of the image, and zeros
    Backward:
        none
    Raises:
        ValueError for a database that cannot be read, before the net is built; for a record that is no AnnotatedDatum,
        holds no image of 8 bits, a box that is none, or boxes where the first has none, by the forward that was to use
        it.
    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", 2016, arXiv:1512.02325. The AnnotatedData of its fork, which
        compresses the image as JPEG after each of the first three changes; here it stays as it is. Of a sampler with
        bounds of several kinds the fork asks a box for the first kind alone; here a box is within all. Random numbers
        are others. That of eric612/MobileNet-YOLO has label_form yolo, jitter and several sizes besides.
    Example:
        >>> import lmdb, os, tempfile
        >>> from caffe_pylayers.annotated_data import message_class
        >>> from caffe_pylayers.testing import LayerRun
        >>> record = message_class("AnnotatedDatum")(type=0)
        >>> record.datum.channels, record.datum.height, record.datum.width = 1, 1, 2
        >>> record.datum.data = bytes([10, 20])
        >>> box = record.annotation_group.add(group_label=3).annotation.add().bbox
        >>> box.xmin, box.ymin, box.xmax, box.ymax = 0, 0, 0.5, 1
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with lmdb.open(folder) as database, database.begin(write=True) as transaction:
        ...         _ = transaction.put(b"0", record.SerializeToString())
        ...     data, label = LayerRun(AnnotatedData, param_str=str({"source": folder}), tops=2).forward()
        >>> data
        array([[[[10., 20.]]]])
        >>> label
        array([[[[0. , 3. , 0. , 0. , 0. , 0.5, 1. , 0. ]]]])
    """

    distort = Parameter(
        {str: float}, {}, low=0, doc=f"SSD's distort_param, by name: {', '.join(AMOUNTS)}; what is not there is 0"
    )
    expand_prob = Parameter(float, 1.0, low=0, high=1, doc="of the larger canvas")
    max_expand_ratio = Parameter(float, 1.0, low=1, doc="how many times as large that is at most, in each direction")
    batch_samplers = Parameter(
        [{str: float}],
        (),
        low=0,
        doc=f"of random windows, one of all of which is cut out, by name: {', '.join((*SAMPLER, *CONSTRAINTS))}",
    )
    jitter = Parameter(float, 0.0, low=0, high=1, doc="of a random window, besides: 1 - jitter or more each way")
    emit_type = Parameter(str, None, choices=EMIT_TYPES, doc="boxes that count in a window; default: all it touches")
    emit_overlap = Parameter(float, 0.0, low=0, high=1, doc="of min_overlap: more than this part of the box is in it")
    size_scale = Parameter(
        (int, int), None, low=1, doc="of fit_small_size: height and width that boxes are parts of; default: the image"
    )
    sizes = Parameter([(int, int)], (), low=1, doc="in place of resize: a random one of them for ten batches each")
    size_probs = Parameter([float], (), low=0, doc="how often each of sizes is taken; default: all alike")
    label_form = Parameter(str, "ssd", choices=("ssd", "yolo"), doc="of the label, see Top")
    use_difficult_gt = Parameter(bool, True, doc="with label_form yolo: difficult boxes are there too")

    tops = ("data", "label")
    optional_tops = 1
    record_type = "AnnotatedDatum"

    def prepare(self):
        self.prepare_images()
        self._check_parameters()
        self._boxes = self.open_records().HasField("type")
        self.row_tops = ("label",) if self._boxes else ()

    def item_at(self, position, index, rng):
        return self.item(index, rng, self._size_at(position))

    def item(self, index, rng, size=None):
        record = self.record(index)
        pixels, rows = image_of(record.datum, self.channels), boxes_of(record)
        if self._boxes and not record.HasField("type"):
            raise ValueError("has no type of annotations, as the first record has")
        if self.distort:
            pixels = distort(rng, pixels, self.distort)
        pixels, rows = self._expanded(rng, pixels, rows)
        pixels, rows = self._sampled(rng, pixels, rows)
        data, rows = self._transformed(rng, pixels, rows, size or self.resize)
        return (data, rows if self._boxes else record.datum.label)[: len(self.tops)]

    def as_tops(self, arrays):
        if len(arrays) < 2 or not self._boxes:
            return arrays
        rows = arrays[1]
        if self.label_form == "yolo":
            return [arrays[0], written(rows if self.use_difficult_gt else rows[rows[:, 7] == 0], len(arrays[0]))]
        return [arrays[0], rows[None, None] if len(rows) else np.full((1, 1, 1, 8), -1, np.float32)]

    # --- an item's parts ---------------------------------------------------------------------------

    def _size_at(self, position):
        """Return one of the sizes, the same for ten batches of each solver; None where there are none."""
        if not self.sizes:
            return None
        rng = np.random.default_rng([self.item_seed, position // (10 * self.batch_size * self._solvers)])
        probs = np.array(self.size_probs or [1] * len(self.sizes), np.float64)
        return self.sizes[int(rng.choice(len(probs), p=probs / probs.sum()))]

    def _expanded(self, rng, pixels, rows):
        if rng.random() > self.expand_prob or self.max_expand_ratio - 1 < 1e-2:
            return pixels, rows
        ratio, place = rng.uniform(1, self.max_expand_ratio), (rng.random(), rng.random())
        canvas, window = expand(pixels, ratio, place, self.mean or (0,))
        return canvas, self._seen(rows, window)

    def _sampled(self, rng, pixels, rows):
        found = [sampled_windows(rng, rows[:, _BOX], sampler) for sampler in self.batch_samplers]
        if self.jitter:
            found.append(jittered_window(rng, self.jitter, self.resize_mode == "fit_large_size_and_pad")[None])
        windows = np.concatenate([np.zeros((0, 4)), *found])
        if not len(windows):
            return pixels, rows
        window = windows[int(rng.random() * len(windows))]
        return cut(pixels, window), self._seen(rows, window.clip(0, 1))

    def _seen(self, rows, window):
        """Return the rows of the boxes that count in a window, as parts of it."""
        kept = np.ones(len(rows), bool)
        if self.emit_type is not None:
            kept = emitted(rows[:, _BOX], window, self.emit_type, self.emit_overlap)
        rows = rows.copy()
        rows[:, _BOX], inside = in_window(rows[:, _BOX], window)
        return rows[kept & inside]

    def _transformed(self, rng, pixels, rows, size):
        """Return what goes into the batch, and the rows of the boxes in it."""
        old = pixels.shape[:2]
        data, window, mirrored = self.fitted(rng, pixels, size)
        if size is not None:
            rows[:, _BOX] = fit_boxes(rows[:, _BOX], old, size, self.resize_mode)
        rows = self._seen(rows, window)
        if mirrored:
            rows[:, [2, 4]] = 1 - rows[:, [4, 2]]
        if self.size_scale is not None:
            rows[:, _BOX] = extrapolate_boxes(rows[:, _BOX], old, size, window, self.size_scale)
        return data, rows

    def _check_parameters(self):
        self._check_keys("distort", self.distort, AMOUNTS)
        for i, sampler in enumerate(self.batch_samplers):
            self._check_keys(f"batch_samplers[{i}]", sampler, (*SAMPLER, *CONSTRAINTS))
            self._check_range(i, {**SAMPLER, **sampler}, "scale", 1)
            self._check_range(i, {**SAMPLER, **sampler}, "aspect_ratio", None)
        if self.size_scale is not None and (self.resize is None or self.resize_mode != "fit_small_size"):
            raise checks.error(self, "takes the parameter size_scale with resize and resize_mode fit_small_size only")
        if self.size_probs and (len(self.size_probs) != len(self.sizes) or not sum(self.size_probs)):
            raise checks.error(self, f"takes as many size_probs as sizes, above 0 in all, got {list(self.size_probs)}")
        if self.max_expand_ratio > 1 and self.mean_file:
            raise checks.error(self, "takes max_expand_ratio with mean only: mean_file does not fit a larger canvas")

    def _check_keys(self, name, given, known):
        for key in given:
            if key not in known:
                raise checks.error(
                    self, f"a key of parameter {name} must be one of {', '.join(known)}, got {short(key)}"
                )

    def _check_range(self, i, sampler, name, most):
        low, high = sampler[f"min_{name}"], sampler[f"max_{name}"]
        if not 0 < low <= high or (most is not None and high > most):
            wanted = f"0 < min_{name} <= max_{name}" + (f" <= {most}" if most is not None else "")
            raise checks.error(self, f"parameter batch_samplers[{i}] must have {wanted}, got {low:g} and {high:g}")

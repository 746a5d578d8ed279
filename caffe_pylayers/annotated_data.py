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

import os

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data import lmdb_file
from caffe_pylayers._layer.data.annotated_datum import message_class
from caffe_pylayers._layer.data.prefetched_data import PrefetchedData
from caffe_pylayers._layer.detection.windows import (
    CONSTRAINTS,
    EMIT_TYPES,
    SAMPLER,
    emitted,
    in_window,
    random_windows,
    sampled_windows,
    satisfying,
)
from caffe_pylayers._layer.images.distortions import AMOUNTS, NOISES, add_noise, distort
from caffe_pylayers._layer.images.fitting import (
    INTERPOLATIONS,
    PAD_MODES,
    RESIZE_MODES,
    cut,
    expand,
    extrapolate_boxes,
    fit,
    fit_boxes,
)
from caffe_pylayers._layer.images.image_data import read_mean
from caffe_pylayers._layer.images.image_files import opencv
from caffe_pylayers._layer.images.views import planes
from caffe_pylayers._layer.phases import TRAIN
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
    "random_windows",
    "sampled_windows",
    "satisfying",
]

_WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
_BOX = slice(2, 6)  # of a row's columns: class, number, x1, y1, x2, y2, difficult


def image_of(datum, channels=None):
    """Return the pixels of a Datum, (height, width, channels) of 8 bits.

    channels: BGR or gray, what an encoded one becomes; None: what it is.
    """
    if not datum.encoded:
        shape = (datum.channels, datum.height, datum.width)
        if len(datum.data) != np.prod(shape) or not datum.data:
            raise ValueError(f"holds {len(datum.data)} bytes, which are no image of shape {shape}")
        return np.frombuffer(datum.data, np.uint8).reshape(shape).transpose(1, 2, 0)
    cv2 = opencv()
    flag = {None: cv2.IMREAD_UNCHANGED, "BGR": cv2.IMREAD_COLOR, "gray": cv2.IMREAD_GRAYSCALE}[channels]
    pixels = cv2.imdecode(np.frombuffer(datum.data, np.uint8), flag) if datum.data else None
    if pixels is None or pixels.dtype != np.uint8:
        raise ValueError(f"holds {len(datum.data)} bytes that are no image of 8 bits that OpenCV can decode")
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def boxes_of(record):
    """Return the boxes of an AnnotatedDatum, (R, 7): class, number, x1, y1, x2, y2, difficult."""
    rows = [
        (group.group_label, each.instance_id, box.xmin, box.ymin, box.xmax, box.ymax, box.difficult)
        for group in record.annotation_group
        for each in group.annotation
        for box in [each.bbox]
    ]
    return np.array(rows, np.float64).reshape(-1, 7)


class AnnotatedData(PrefetchedData):
    """Images with boxes from an LMDB of AnnotatedDatum, SSD's records.

    In this order: colours distorted, put on a larger canvas of the mean, a random window cut out that fits the boxes,
    resized, noise added, cropped, mirrored, the mean subtracted, scaled. Boxes follow, those that a window leaves too
    little of are left out. What is asked for is done in either phase, as in SSD, but for the crop, which is in the
    middle in TEST.

    Top:
        [0] data (N, C, H, W)
        [1] label, optional: (1, 1, G, 8): image, class, number in its class, x1, y1, x2, y2 in parts of the image,
            difficult, of all boxes of the batch, and one row of -1 where there is none; (N,) for a database without
            annotations, of classification
    Bottom:
        none
    Backward:
        none
    Raises:
        ValueError for a database that cannot be read, before the net is built; for a record that is no AnnotatedDatum,
        holds no image of 8 bits, or boxes where the first has none, by the forward that was to use it.
    References:
        Liu et al., "SSD: Single Shot MultiBox Detector", 2016, arXiv:1512.02325. The AnnotatedData of its fork, which
        compresses the image as JPEG after each of the first three changes; here it stays as it is. Of a sampler with
        bounds of several kinds the fork asks a box for the first kind alone; here a box is within all. Random numbers
        are others.
    Example:
        >>> import lmdb, os, tempfile
        >>> from caffe_pylayers._layer.data.annotated_datum import message_class
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

    source = Parameter(str, doc="the database's folder")
    backend = Parameter(str, "lmdb", choices=("lmdb",), doc="the database's kind")
    channels = Parameter(str, None, choices=("BGR", "gray"), doc="what encoded images become; default: what they are")
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
    emit_type = Parameter(str, None, choices=EMIT_TYPES, doc="boxes that count in a window; default: all it touches")
    emit_overlap = Parameter(float, 0.0, low=0, high=1, doc="of min_overlap: more than this part of the box is in it")
    resize = Parameter((int, int), None, low=1, doc="height and width, in pixels")
    resize_mode = Parameter(str, "warp", choices=RESIZE_MODES, doc="whether the ratio stays, and which side fits")
    interpolation = Parameter(
        [str], ("linear",), choices=INTERPOLATIONS, length=(1, None), doc="OpenCV's; of several a random one"
    )
    pad_mode = Parameter(str, "constant", choices=tuple(PAD_MODES), doc="of fit_large_size_and_pad")
    pad_value = Parameter([float], (0,), low=0, high=255, length=(1, None), doc="one, or one for each channel")
    size_scale = Parameter(
        (int, int), None, low=1, doc="of fit_small_size: height and width that boxes are parts of; default: the image"
    )
    noise = Parameter([str], (), choices=NOISES, doc="SSD's noise_param: in the order of this list")
    jpeg_quality = Parameter(int, 95, low=0, high=100, doc="of the noise jpeg, in percent")
    saltpepper_fraction = Parameter(float, 0.0, low=0, high=1, doc="of the pixels")
    saltpepper_value = Parameter([float], (0,), low=0, high=255, length=(1, None), doc="one, or one for each channel")
    crop = Parameter((int, int), None, low=1, doc="height and width cut out: TRAIN anywhere, TEST in the middle")
    mirror = Parameter(bool, False, doc="half of the images left to right, in either phase")
    mean = Parameter([float], (), doc="subtracted from values in 0 .. 255: one, or one for each channel")
    mean_file = Parameter(str, None, doc="in place of mean: .npy or .binaryproto (C, H, W) of the resized image")
    scale = Parameter(float, 1.0, doc="multiplies in the end")

    tops = ("data", "label")
    optional_tops = 1

    def prepare(self):
        opencv()
        self._check_parameters()
        self._file = os.path.join(self.source, "data.mdb")
        if not os.path.exists(self._file):
            raise checks.error(self, f"{self.source}: is no LMDB: it has no file data.mdb")
        try:
            self._places = lmdb_file.places(self._file)
            first = self._record(0) if self._places else None
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__
        if first is None:
            raise checks.error(self, f"{self.source} has no records")
        self._mean = None if self.mean_file is None else np.asarray(read_mean(self, self.mean_file), np.float32)
        self._boxes = first.HasField("type")
        self.row_tops = ("label",) if self._boxes else ()

    def item_count(self):
        return len(self._places)

    def name_of(self, index):
        return f"{self.source}: {os.fsdecode(self._places[index].key)}"

    def item(self, index, rng):
        record = self._record(index)
        pixels, rows = image_of(record.datum, self.channels), boxes_of(record)
        if self._boxes and not record.HasField("type"):
            raise ValueError("has no type of annotations, as the first record has")
        if self.distort:
            pixels = distort(rng, pixels, self.distort)
        pixels, rows = self._expanded(rng, pixels, rows)
        pixels, rows = self._sampled(rng, pixels, rows)
        data, rows = self._transformed(rng, pixels, rows)
        return (data, rows if self._boxes else record.datum.label)[: len(self.tops)]

    def as_tops(self, arrays):
        if len(arrays) < 2 or not self._boxes:
            return arrays
        rows = arrays[1]
        return [arrays[0], rows[None, None] if len(rows) else np.full((1, 1, 1, 8), -1, np.float32)]

    # --- an item's parts ---------------------------------------------------------------------------

    def _record(self, index):
        value = lmdb_file.value_at(self._file, self._places[index])
        try:
            return message_class("AnnotatedDatum").FromString(value)
        except Exception as error:  # protobuf's own
            raise ValueError(f"{self.name_of(index)}: is no AnnotatedDatum: {len(value)} bytes") from error

    def _expanded(self, rng, pixels, rows):
        if rng.random() > self.expand_prob or self.max_expand_ratio - 1 < 1e-2:
            return pixels, rows
        ratio, place = rng.uniform(1, self.max_expand_ratio), (rng.random(), rng.random())
        canvas, window = expand(pixels, ratio, place, self.mean or (0,))
        return canvas, self._seen(rows, window)

    def _sampled(self, rng, pixels, rows):
        found = [sampled_windows(rng, rows[:, _BOX], sampler) for sampler in self.batch_samplers]
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

    def _transformed(self, rng, pixels, rows):
        """Return what goes into the batch: resized, with noise, cropped, mirrored, (channels, height, width)."""
        old = pixels.shape[:2]
        interpolation = self.interpolation[int(rng.random() * len(self.interpolation))]
        if self.resize is not None:
            fill = self.pad_value
            pixels = fit(pixels, self.resize, self.resize_mode, interpolation, self.pad_mode, fill)
            rows[:, _BOX] = fit_boxes(rows[:, _BOX], old, self.resize, self.resize_mode)
        pixels = add_noise(rng, pixels, self.noise, self.jpeg_quality, self.saltpepper_fraction, self.saltpepper_value)
        pixels, mean, window = self._cropped(rng, pixels)
        rows = self._seen(rows, window)
        data = planes(pixels, mean, None if self.scale == 1 else np.float32(self.scale))
        if self.mirror and rng.random() < 0.5:
            data = data[:, :, ::-1]
            rows[:, [2, 4]] = 1 - rows[:, [4, 2]]
        if self.size_scale is not None:
            rows[:, _BOX] = extrapolate_boxes(rows[:, _BOX], old, self.resize, window, self.size_scale)
        return data, rows

    def _cropped(self, rng, pixels):
        """Return the crop of pixels, the mean there, and the window that it is."""
        height, width, channels = pixels.shape
        if len(self.mean) not in (0, 1, channels):
            raise ValueError(f"has {channels} channels, parameter mean {len(self.mean)} values")
        mean = np.array(self.mean, np.float32)[:, None, None] if self.mean else self._mean
        if self._mean is not None and self._mean.shape != (channels, height, width):
            raise ValueError(f"has shape {(channels, height, width)}, the mean of mean_file {self._mean.shape}")
        if self.crop is None:
            return pixels, mean, _WHOLE
        rows, columns = self.crop
        if rows > height or columns > width:
            raise ValueError(f"has {height} x {width} pixels, fewer than crop {rows} x {columns}")
        places = (rng.random(), rng.random()) if self.phase == TRAIN else None
        room = np.array([height - rows, width - columns])
        top, left = (room // 2 if places is None else (np.array(places) * (room + 1)).astype(int)).tolist()
        window = np.array([left / width, top / height, (left + columns) / width, (top + rows) / height])
        if self._mean is not None:
            mean = self._mean[:, top : top + rows, left : left + columns]
        return pixels[top : top + rows, left : left + columns], mean, window

    def _check_parameters(self):
        self._check_keys("distort", self.distort, AMOUNTS)
        for i, sampler in enumerate(self.batch_samplers):
            self._check_keys(f"batch_samplers[{i}]", sampler, (*SAMPLER, *CONSTRAINTS))
            self._check_range(i, {**SAMPLER, **sampler}, "scale", 1)
            self._check_range(i, {**SAMPLER, **sampler}, "aspect_ratio", None)
        if self.mean and self.mean_file:
            raise checks.error(self, "takes the parameter mean or mean_file, not both")
        if self.size_scale is not None and (self.resize is None or self.resize_mode != "fit_small_size"):
            raise checks.error(self, "takes the parameter size_scale with resize and resize_mode fit_small_size only")
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

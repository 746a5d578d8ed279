"""Clips of videos, from video files or from folders of frames; their segments; and one frame after the other.

    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.video_data"  layer: "VideoClips"
        param_str: '{"source": "train.txt", "root": "ucf101", "batch_size": 8, "length": 16, "resize": [128, 171], '
                   '"crop": [112, 112], "mirror": true, "mean": [90, 98, 102], "workers": 4, "worker_type": "process"}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.video_data"  layer: "VideoSegments"
        param_str: '{"source": "train_flow.txt", "batch_size": 4, "segments": 3, "length": 5, "crop": [224, 224]}'
      }
    }

It needs OpenCV: pip install 'caffe-pylayers[images]'.
"""

from __future__ import annotations

import functools
import math
import os
import threading

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.listed_data import FileList
from caffe_pylayers._layer.images.corner_crops import SCALES, crop_sizes, drawn, fixed_places
from caffe_pylayers._layer.images.fitted_data import FittedData
from caffe_pylayers._layer.images.image_data import ImageData
from caffe_pylayers._layer.images.image_files import in_channels, opencv, read_image
from caffe_pylayers._layer.images.image_list import EXTENSIONS
from caffe_pylayers._layer.images.video_frames import frames_in, read_from_file, read_from_folder
from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers._layer.quote import short

__all__ = [
    "VideoClips",
    "VideoFrames",
    "VideoSegments",
    "crop_sizes",
    "fixed_places",
    "frames_of_clip",
    "starts_of_segments",
]


_CAMERA = 2**31 - 1  # frames: it has no end


def frames_of_clip(frames, length, stride, place):
    """Return the numbers of a clip's frames in a video.

        start + stride * (0 .. length-1),   start = floor(place * (frames - span + 1)),   span = stride * (length-1) + 1

    A video that is shorter than the span repeats its last frame.

    place: in [0, 1): where in the room that there is the clip starts; 0.5: in the middle.
    """
    room = frames - (stride * (length - 1) + 1)
    start = math.floor(place * (room + 1)) if room > 0 else 0
    return np.minimum(start + stride * np.arange(length), frames - 1)


def starts_of_segments(frames, segments, length, places):
    """Return the number of frames before each of a video's segments, which are its equal parts.

        start_i = i D + floor(places_i * (D - length + 1)),   D = floor(frames / segments)

    Where D is less than length, all start with the video.

    places: of each segment in [0, 1); None: all in the middle.
    """
    part = frames // segments
    if part < length:
        return [0] * segments
    room = part - length + 1
    within = [room // 2 if places is None else math.floor(place * room) for place in places or [0] * segments]
    return [i * part + start for i, start in enumerate(within)]


class VideoClips(ImageData, FileList):
    """Clips of a list of videos.

    data[n] = ``length`` frames of video i_n, every ``stride``-th, all changed alike; in the TRAIN phase from a random
    place, in the TEST phase from the middle; or, with starts listed, from the frame that the list says. label[n] = the
    numbers behind that in the list.

    Bottom:
        none
    Top:
        [0] data (N, C, T, H, W), as convolutions over time take it; with layout NTCHW (N, T, C, H, W)
        [1] label, optional: (N,), or (N, L) for L numbers
    Backward:
        none
    Raises:
        ValueError for a list that cannot be read, for videos that are not there and for folders without frames, before
        the net is built; for a file that cannot be decoded by the forward that was to use it. Each message names the
        list and the line.
    References:
        Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", 2015, arXiv:1412.0767, whose
        VideoData takes such lists with a first frame, as that of chuckcho/video-caffe does, which in a file begins one
        frame before it; Donahue et al., LRCN, 2015, arXiv:1411.4389, whose layer reads folders of frames.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     os.mkdir(os.path.join(folder, "wave"))
        ...     for number in range(5):
        ...         with open(os.path.join(folder, "wave", f"{number}.pgm"), "wb") as image:
        ...             _ = image.write(b"P5 1 1 255 " + bytes([number]))
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("wave 7")
        ...     param_str = str({"source": source.name, "root": folder, "length": 2, "stride": 2, "channels": "gray"})
        ...     data, label = LayerRun(VideoClips, param_str=param_str, tops=2, phase=1).forward()
        >>> data.ravel(), data.shape, label
        (array([1., 3.]), (1, 1, 2, 1, 1), array([7.]))
    """

    source = Parameter(str, doc="the list: `video label label ...` on each line, a video a file or a folder of frames")
    length = Parameter(int, 16, low=1, doc="T, frames in a clip")
    stride = Parameter(int, 1, low=1, doc="from one frame of the clip to the next, in frames of the video")
    layout = Parameter(str, "NCTHW", choices=("NCTHW", "NTCHW"), doc="of the data's axes")
    starts = Parameter(
        str,
        "chosen",
        choices=("chosen", "listed"),
        doc="listed: the first number behind a video is the clip's first frame",
    )

    def prepare(self):
        self.prepare_images()
        self.read_list()
        self._starts = self._listed_starts() if self.starts == "listed" else None
        self._frames = {path: frames_in(path) for path in self.paths if os.path.isdir(path)}
        for where, path in zip(self.wheres, self.paths):
            if not self._frames.get(path, True):
                raise checks.error(self, f"{where}: the folder {path} holds no frames ({' '.join(EXTENSIONS)})")

    def item(self, index, rng):
        path, choose = self.paths[index], functools.partial(self._numbers, index=index, rng=rng)
        if path in self._frames:
            frames = read_from_folder(path, self._frames[path], choose, self.channels)
        else:
            frames = read_from_file(path, choose, self.channels)
        clip = np.stack(self.changed(rng, frames).images, 1 if self.layout == "NCTHW" else 0)
        return (clip, self.label(index))[: len(self.tops)]

    def _listed_starts(self):
        """Take the first frames from the labels; return their numbers, from 0."""
        if not self.labels.shape[1]:
            raise checks.error(self, f"{self.wheres[0]}: needs the number of the clip's first frame behind the video")
        starts, self.labels = self.labels[:, 0] - 1, self.labels[:, 1:]
        wrong = np.flatnonzero((starts < 0) | (starts != np.floor(starts)))
        if len(wrong):
            where, start = self.wheres[wrong[0]], starts[wrong[0]] + 1
            raise checks.error(self, f"{where}: the clip's first frame must be an integer from 1 on, got {start:g}")
        if not self.labels.shape[1]:
            self.tops = self.tops[:1]
        return starts.astype(int)

    def _numbers(self, count, index, rng):
        """Return the numbers of an item's frames in its video of so many."""
        if self._starts is None:
            place = rng.random() if self.phase == TRAIN else 0.5
            return frames_of_clip(count, self.length, self.stride, place).tolist()
        start = self._starts[index]
        if start >= count:
            raise ValueError(f"{self.paths[index]}: has {count} frames, but a clip is to start with frame {start + 1}")
        return np.minimum(start + self.stride * np.arange(self.length), count - 1).tolist()


class VideoSegments(ImageData, FileList):
    """Frames of each of the equal parts of a list of videos, or its optical flow.

    data[n] = ``length`` frames of each of ``segments`` parts of video i_n, one after the other along the channels, all
    changed alike; in the TRAIN phase from random places of their parts, in the TEST phase from the middle. Of a flow a
    frame is an image of x and one of y.

    Bottom:
        none
    Top:
        [0] data (N, segments * length * C, H, W); C is 3, of gray images 1, of a flow 2
        [1] label (N,), optional
    Backward:
        none
    Raises:
        ValueError for a list that cannot be read, and for folders that are not there or lack the last frame, before
        the net is built; for another frame that is not there by the forward that was to use it.
    References:
        Wang et al., "Temporal Segment Networks: Towards Good Practices for Deep Action Recognition", 2016,
        arXiv:1608.00859: the VideoData of its Caffe, with its crops (multi_scale, fix_crop and more_fix_crop). There
        a list's labels are of shape (N, 1, 1, 1), and the item before stays where a frame is not there.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     os.mkdir(os.path.join(folder, "wave"))
        ...     for number in range(1, 7):
        ...         for axis, value in (("x", number), ("y", 10 * number)):
        ...             with open(os.path.join(folder, "wave", f"flow_{axis}_{number}.pgm"), "wb") as image:
        ...                 _ = image.write(b"P5 1 1 255 " + bytes([value]))
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("wave 6 7")
        ...     param_str = {"source": source.name, "root": folder, "segments": 2, "name_pattern": "flow_%c_%d.pgm"}
        ...     data, label = LayerRun(VideoSegments, param_str=str(param_str), tops=2, phase=1).forward()
        >>> data.ravel(), label
        (array([ 2., 20.,  5., 50.]), array([7.]))
    """

    source = Parameter(str, doc="the list: `folder frames label` on each line")
    segments = Parameter(int, 1, low=1, doc="equal parts of a video")
    length = Parameter(int, 1, low=1, doc="frames of each")
    modality = Parameter(str, "flow", choices=("flow", "rgb"), doc="flow: gray images of x and of y; rgb: frames")
    name_pattern = Parameter(
        str,
        None,
        doc="of a frame's file: flow: of x or y and the number, from 1; rgb: of the number; default: flow_%c_%04d.jpg, "
        "image_%04d.jpg",
    )
    turn_flow = Parameter(bool, True, doc="flow: where it is mirrored, x becomes 255 - x")
    multi_scale = Parameter(bool, False, doc="TRAIN: a random size is cut out, and resized to the crop")
    scale_ratios = Parameter([float], SCALES, above=0, high=1, length=(1, None), doc="multi_scale: of the shorter side")
    max_distort = Parameter(int, 1, low=0, doc="multi_scale: how far apart in scale_ratios those of both sides are")
    fixed_crops = Parameter(
        str, "none", choices=("none", "corners", "more"), doc="TRAIN: corners and middle; more: 8 places between, too"
    )

    def prepare(self):
        flow = self.modality == "flow"
        if flow:
            self.channels = "gray"
        self._pattern = self.name_pattern or ("flow_%c_%04d.jpg" if flow else "image_%04d.jpg")
        try:
            self._names(1)
        except (TypeError, ValueError) as error:
            wanted = "%c for x or y and one such as %04d" if flow else "one such as %04d"
            raise checks.error(self, f"parameter name_pattern must have {wanted}, got {self._pattern!r}") from error
        if self.multi_scale and not self.crop:
            raise checks.error(self, "needs the parameter crop with multi_scale: what a part is resized to")
        if flow and self.turn_flow:
            self.directions = slice(0, None, 2)
        self.prepare_images()
        self.label_count = 2
        self.read_list()
        for where, path, frames in zip(self.wheres, self.paths, self.labels[:, 0].tolist()):
            if frames < 1 or frames % 1:
                raise checks.error(self, f"{where}: the frames of a video are a whole number >= 1, got {frames:g}")
            last = os.path.join(path, self._names(int(frames))[-1])
            if not os.path.exists(last):
                raise checks.error(self, f"{where}: the last of its {frames:g} frames, {last}, is not there")

    def class_values(self):
        return self.labels[:, 1]

    def item(self, index, rng):
        frames, label = self.labels[index]
        places = [rng.random() for _ in range(self.segments)] if self.phase == TRAIN else None
        starts = starts_of_segments(int(frames), self.segments, self.length, places)
        names = [name for start in starts for i in range(self.length) for name in self._names(start + 1 + i)]
        images = [read_image(os.path.join(self.paths[index], name), self.channels) for name in names]
        return (np.concatenate(self.changed(rng, images).images), label)[: len(self.tops)]

    def cut_out(self, views, rng):
        if rng is None or not (self.multi_scale or self.fixed_crops != "none"):
            super().cut_out(views, rng)
            return
        part = self.crop
        if self.multi_scale:
            part = drawn(rng, crop_sizes(views.size, self.crop, self.scale_ratios, self.max_distort))
        if self.fixed_crops == "none":
            top, left = (int(rng.random() * max(n - m + 1, 1)) for n, m in zip(views.size, part))
        else:
            top, left = drawn(rng, fixed_places(views.size, part, self.fixed_crops == "more"))
        views.crop(top, left, part)
        views.resize(self.crop, "linear")

    def _names(self, number):
        if self.modality == "rgb":
            return [self._pattern % number]
        return [self._pattern % (axis, number) for axis in "xy"]


class VideoFrames(FittedData):
    """The frames of a video, one after the other, from a file or a camera; a file begins again at its end.

    In this order: resized, noise added, cropped, mirrored, the mean subtracted, scaled.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W)
        [1] label, optional: (N,), zeros
    Backward:
        none
    Raises:
        ValueError for what OpenCV cannot open, before the net is built; for a frame that cannot be decoded or does not
        come by the forward that was to use it.
    References:
        The VideoData of SSD's Caffe (Liu et al., 2016, arXiv:1512.02325), which ends the process at the end of a file.
    Example:
        >>> import cv2, os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "film.avi")
        ...     film = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 16))
        ...     for number in range(4):
        ...         film.write(np.full((16, 32, 3), 50 * number, np.uint8))
        ...     film.release()
        ...     param_str = str({"video_file": path, "skip_frames": 1, "batch_size": 2})
        ...     (data,) = LayerRun(VideoFrames, param_str=param_str).forward()
        >>> data.shape, np.round(data.mean((1, 2, 3)), -1)
        ((2, 3, 16, 32), array([ 50., 150.]))
    """

    video_file = Parameter(str, None, doc="the file")
    device_id = Parameter(int, None, low=0, doc="in place of it: the number of a camera")
    skip_frames = Parameter(int, 0, low=0, doc="frames left out before each that is taken")
    shuffle = Parameter(bool, False, doc="TRAIN: a file's frames in random order, for each of which it is read anew")

    tops = ("data", "label")
    optional_tops = 1

    def prepare(self):
        self.prepare_images()
        if (self.video_file is None) == (self.device_id is None):
            raise checks.error(self, "needs either the parameter video_file or device_id")
        self._local = threading.local()
        self._count = _CAMERA
        if self.video_file is not None:
            cv2 = opencv()
            self._count = int(self._opened().get(cv2.CAP_PROP_FRAME_COUNT)) // (self.skip_frames + 1)
        elif self.workers > 1:
            raise checks.error(self, "takes a camera with workers 0 or 1: its frames come one after the other")

    def item_count(self):
        return self._count

    def name_of(self, index):
        where = f"camera {self.device_id}" if self.video_file is None else self.video_file
        return f"{where}: frame {self._number(index)}"

    def item(self, index, rng):
        pixels = in_channels(self._frame(index), self.channels or "BGR")
        return (self.fitted(rng, pixels).data, 0.0)[: len(self.tops)]

    def _number(self, index):
        return index * (self.skip_frames + 1) + self.skip_frames

    def _frame(self, index):
        """Return a frame's pixels. Each worker has the file open for itself, and reads on where it is."""
        video, at = getattr(self._local, "open", None) or (self._opened(), 0)
        number = self._number(index) if self.video_file is not None else at + self.skip_frames
        if number < at:
            video, at = self._opened(), 0
        while at < number and video.grab():
            at += 1
        found, pixels = video.read()
        self._local.open = video, at + 1
        if not found:
            self._local.open = None
            raise ValueError("does not come, or cannot be decoded")
        return pixels

    def _opened(self):
        what = self.device_id if self.video_file is None else self.video_file
        video = opencv().VideoCapture(what)
        if not video.isOpened():
            named = f"camera {what}" if self.video_file is None else f"parameter video_file: {short(what)}"
            raise checks.error(self, f"{named} is no video that OpenCV can open")
        return video

"""Clips of videos, from video files or from folders of frames.

    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.video_data"  layer: "VideoClips"
        param_str: '{"source": "train.txt", "root": "ucf101", "batch_size": 8, "length": 16, "resize": [128, 171], '
                   '"crop": [112, 112], "mirror": true, "mean": [90, 98, 102], "workers": 4, "worker_type": "process"}'
      }
    }

It needs OpenCV: pip install 'caffe-pylayers[images]'.
"""

from __future__ import annotations

import itertools
import math
import os

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.listed_data import FileList
from caffe_pylayers._layer.images.image_data import ImageData
from caffe_pylayers._layer.images.image_files import in_channels, opencv, read_image
from caffe_pylayers._layer.images.image_list import EXTENSIONS
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["VideoClips", "frames_of_clip"]


def frames_of_clip(frames, length, stride, place):
    """Return the numbers of a clip's frames in a video.

        start + stride * (0 .. length-1),   start = floor(place * (frames - span + 1)),   span = stride * (length-1) + 1

    A video that is shorter than the span repeats its last frame.

    place: in [0, 1): where in the room that there is the clip starts; 0.5: in the middle.
    """
    room = frames - (stride * (length - 1) + 1)
    start = math.floor(place * (room + 1)) if room > 0 else 0
    return np.minimum(start + stride * np.arange(length), frames - 1)


def _decoded(video, numbers, path):
    """Return the frames of these numbers, which do not fall. To seek would give other frames, by codec.

    A file that holds fewer frames than it says repeats the last one.
    """
    found, at, pixels = [], -1, None
    for number in numbers:
        while at < number and video.grab():
            at += 1
            if at == number:
                pixels = video.retrieve()[1]
        if pixels is None:
            raise ValueError(f"{path}: frame {number} cannot be decoded")
        found.append(pixels)
    return found


def _frames(path):
    return sorted((name for name in os.listdir(path) if name.lower().endswith(EXTENSIONS)), key=_in_order)


def _in_order(name):
    """Numbers in a name count as numbers: 2.jpg stands before 10.jpg."""
    runs = [(digit, "".join(characters)) for digit, characters in itertools.groupby(name, key=str.isdecimal)]
    return [(0, int(text), "") if digit else (1, 0, text) for digit, text in runs]


class VideoClips(ImageData, FileList):
    """Clips of a list of videos.

    data[n] = ``length`` frames of video i_n, every ``stride``-th, all changed alike; in the TRAIN phase from a random
    place, in the TEST phase from the middle. label[n] = the numbers behind the video in the list.

    Top:
        [0] data (N, C, T, H, W), as convolutions over time take it; with layout NTCHW (N, T, C, H, W)
        [1] label, optional: (N,), or (N, L) for L numbers
    Bottom:
        none
    Backward:
        none
    Raises:
        ValueError for a list that cannot be read, for videos that are not there and for folders without frames, before
        the net is built; for a file that cannot be decoded by the forward that was to use it. Each message names the
        list and the line.
    References:
        Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", 2015, arXiv:1412.0767, whose
        VideoData takes such lists with a first frame; Donahue et al., LRCN, 2015, arXiv:1411.4389, whose layer reads
        folders of frames.
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

    def prepare(self):
        self.prepare_images()
        self.read_list()
        self._frames = {path: _frames(path) for path in self.paths if os.path.isdir(path)}
        for where, path in zip(self.wheres, self.paths):
            if not self._frames.get(path, True):
                raise checks.error(self, f"{where}: the folder {path} holds no frames ({' '.join(EXTENSIONS)})")

    def item(self, index, rng):
        path = self.paths[index]
        place = rng.random() if self.phase == TRAIN else 0.5
        read = self._from_folder if path in self._frames else self._from_file
        clip = np.stack(self.changed(rng, read(path, place)).images, 1 if self.layout == "NCTHW" else 0)
        return (clip, self.label(index))[: len(self.tops)]

    def _from_folder(self, path, place):
        files = self._frames[path]
        numbers = frames_of_clip(len(files), self.length, self.stride, place).tolist()
        read = {i: read_image(os.path.join(path, files[i]), self.channels) for i in set(numbers)}
        return [read[i] for i in numbers]

    def _from_file(self, path, place):
        cv2 = opencv()
        video = cv2.VideoCapture(path)
        try:
            count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
            if count < 1:
                raise ValueError(f"{path}: is no video that OpenCV can decode, nor a folder of frames")
            numbers = frames_of_clip(count, self.length, self.stride, place).tolist()
            return [in_channels(pixels, self.channels) for pixels in _decoded(video, numbers, path)]
        finally:
            video.release()

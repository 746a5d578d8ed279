"""Some frames of a video: of a file, or of a folder that has an image for each."""

from __future__ import annotations

import itertools
import os
from typing import Any, Callable, Sequence

from caffe_pylayers._layer.images.image_files import in_channels, opencv, read_image
from caffe_pylayers._layer.images.image_list import EXTENSIONS

# Of a video of so many frames: the numbers of those to take, from 0 and in ascending order.
Choose = Callable[[int], Sequence[int]]


def frames_in(folder: str) -> list[str]:
    """Return the names of a folder's frames, in their order."""
    return sorted((name for name in os.listdir(folder) if name.lower().endswith(EXTENSIONS)), key=_in_order)


def _in_order(name: str) -> Any:
    """Numbers in a name count as numbers: 2.jpg stands before 10.jpg."""
    runs = [(digit, "".join(characters)) for digit, characters in itertools.groupby(name, key=str.isdecimal)]
    return [(0, int(text), "") if digit else (1, 0, text) for digit, text in runs]


def read_from_folder(folder: str, names: Sequence[str], choose: Choose, channels: str) -> list[Any]:
    """Return the frames chosen of those with these names."""
    numbers = choose(len(names))
    read = {i: read_image(os.path.join(folder, names[i]), channels) for i in set(numbers)}
    return [read[i] for i in numbers]


def read_from_file(path: str, choose: Choose, channels: str) -> list[Any]:
    """Return the frames chosen of a video's."""
    cv2 = opencv()
    video = cv2.VideoCapture(path)
    try:
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        if count < 1:
            raise ValueError(f"{path}: is no video that OpenCV can decode, nor a folder of frames")
        return [in_channels(pixels, channels) for pixels in _decoded(video, choose(count), path)]
    finally:
        video.release()


def _decoded(video: Any, numbers: Sequence[int], path: str) -> list[Any]:
    """Return the frames of these numbers, each reached from the one before: to seek gives other frames, by codec.

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

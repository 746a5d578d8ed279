"""What is seen of one scene: images, a label map and boxes, changed together."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer.images import augment


class Views:
    """Images of one size, with their label map and boxes, see augment.py; every change is of them all.

    fill: what images have where there was nothing, a value for each channel; ignore: the same of the label map.
    scale: (height, width) of the resizing so far. whole: their height and width before they were cropped.
    """

    def __init__(
        self,
        images: Sequence[Any],
        label_map: Any = None,
        boxes: Any = None,
        fill: Sequence[float] = (0, 0, 0),
        ignore: int = 255,
    ) -> None:
        self.images, self.label_map, self.boxes = list(images), label_map, boxes
        self.fill, self.ignore = [round(value) for value in fill], ignore
        self.scale, self.whole = (1.0, 1.0), self.size

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.images[0].shape[:2]
        return height, width

    def resize(self, size: tuple[int, int], interpolation: str) -> None:
        """Bring all to this (height, width), the label map by the nearest pixel."""
        by = (size[0] / self.size[0], size[1] / self.size[1])
        self.images = [augment.resize(image, size, interpolation) for image in self.images]
        if self.label_map is not None:
            self.label_map = augment.resize(self.label_map, size, "nearest")
        if self.boxes is not None:
            self.boxes = augment.scale_boxes(self.boxes, by)
        self.scale, self.whole = (self.scale[0] * by[0], self.scale[1] * by[1]), size

    def rotate(self, degrees: float) -> None:
        """Turn all about the middle; a box becomes the one around it."""
        if self.boxes is not None:
            self.boxes = augment.rotate_boxes(self.boxes, degrees, self.size)
        self.images = [augment.rotate(image, degrees, self.fill) for image in self.images]
        if self.label_map is not None:
            self.label_map = augment.rotate(self.label_map, degrees, self.ignore, "nearest")

    def crop(self, top: int, left: int, size: tuple[int, int], least: float = 0.0) -> None:
        """Cut out a part; boxes of which less than ``least`` is in it are left out."""
        self.images = [augment.crop(image, top, left, size, self.fill) for image in self.images]
        if self.label_map is not None:
            self.label_map = augment.crop(self.label_map, top, left, size, self.ignore)
        if self.boxes is not None:
            self.boxes = augment.crop_boxes(self.boxes, top, left, size, least)

    def mirror(self, directions: slice = slice(0)) -> None:
        """Turn all left to right; the values of some images are directions along the rows, and become 255 - value."""
        if self.boxes is not None:
            self.boxes = augment.mirror_boxes(self.boxes, self.size[1])
        self.images = [augment.mirror(image) for image in self.images]
        self.images[directions] = [255 - image for image in self.images[directions]]
        if self.label_map is not None:
            self.label_map = augment.mirror(self.label_map)

    def jitter(self, *factors: Any) -> None:
        """Change the images' colours."""
        self.images = [augment.jitter(image, *factors) for image in self.images]


def planes(pixels: Any, mean: Any, scale: Any) -> Any:
    """Return (pixels - mean) * scale as (channels, height, width); the pixels as they are where both are None."""
    out = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    if mean is None and scale is None:
        return out
    out = out.astype(np.float32, copy=False)
    if mean is not None:
        out = out - mean
    return out if scale is None else out * scale

"""The images of a test set, listed with their sizes as SSD's tools list them, and boxes in their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.images.fitting import RESIZE_MODES, unfit_boxes


class NamedImages(NoGradient):
    """A layer that is told the names and sizes of the images that come, in their order."""

    name_size_file = Parameter(str, "", doc='lists the images, a line "name height width" for each, in their order')
    batch_size = Parameter(int, None, low=1, doc="images of a batch; if not given, up to the last one with any box")
    resize_mode = Parameter(str, "warp", choices=RESIZE_MODES, doc="how images were brought to the net's size")
    resize_height = Parameter(int, 0, low=0, doc="the net's height, which fit_large_size_and_pad needs")
    resize_width = Parameter(int, 0, low=0, doc="the net's width, which fit_large_size_and_pad needs")
    height_scale = Parameter(int, 0, low=0, doc="with fit_small_size: height that boxes are shares of; 0: the image's")
    width_scale = Parameter(int, 0, low=0, doc="with fit_small_size: width that boxes are shares of; 0: the image's")

    _next = 0  # the first image of the batch, in the list

    def read_list(self) -> None:
        """Read name_size_file into names and sizes (I, 2), height and width; both empty without one."""
        lines: list[str] = []
        if self.name_size_file:
            try:
                with open(self.name_size_file, encoding="utf-8") as file:
                    lines = file.read().splitlines()
            except OSError as error:
                raise checks.error(self, f"name_size_file: {error}") from None
        words = [line.split() for line in lines]
        for number, found in enumerate(words, 1):
            if len(found) != 3 or not all(size.isdecimal() and int(size) for size in found[1:]):
                raise checks.error(
                    self,
                    f'line {number} of {self.name_size_file} must be "name height width", got {" ".join(found)!r}',
                )
        self.names = [found[0] for found in words]
        self.sizes = np.array([found[1:] for found in words], np.float64).reshape(-1, 2)
        if self.resize_mode == "fit_large_size_and_pad" and not (self.resize_height and self.resize_width):
            raise checks.error(self, "resize_mode fit_large_size_and_pad needs resize_height and resize_width")

    def advance(self, images: int) -> Any:
        """Return the places in the list of a batch of so many images; after the last one comes the first again."""
        places = (self._next + np.arange(self.batch_size or images)) % max(len(self.names), 1)
        self._next += len(places)
        return places

    def in_pixels(self, boxes: Any, size: Any) -> Any:
        """Return boxes (R, 4), shares of what the net has seen, in pixels of the image of a size (height, width)."""
        height, width = size
        whole = np.array([width, height, width, height], np.float64)
        if self.resize_mode == "fit_small_size" and self.height_scale and self.width_scale:
            scale = np.array([self.width_scale, self.height_scale] * 2)
            return np.minimum(np.maximum(boxes * scale, 0), whole)
        return unfit_boxes(boxes, size, (self.resize_height, self.resize_width), self.resize_mode) * whole

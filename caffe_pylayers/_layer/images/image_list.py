"""Images with labels, from a list or from folders: what the layers that take images by label share."""

from __future__ import annotations

import os
from typing import Any, Sequence

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.labelled_data import LabelledData
from caffe_pylayers._layer.data.list_files import class_folders, labelled_files
from caffe_pylayers._layer.images.image_data import ImageData
from caffe_pylayers._layer.images.image_files import read_image

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


class Images(ImageData, LabelledData):
    """Images with labels.

    paths: of each item, wheres: what messages call it, labels: (items, labels of each), float64.
    """

    tops: Sequence[str] = ("data", "label")
    optional_tops = 1

    paths: list[str]
    wheres: list[str]
    labels: Any

    def item_count(self) -> int:
        return len(self.paths)

    def name_of(self, index: int) -> str:
        return self.wheres[index]

    def classes(self) -> Any:
        if self.labels.shape[1] == 0:
            raise checks.error(self, "sampling by class needs labels, and the list has none")
        return self.labels[:, 0].astype(np.int64)

    def item(self, index: int, rng: Any) -> Any:
        return self.pixels(index, rng), self.label(index)

    def pixels(self, index: int, rng: Any) -> Any:
        """Return an item's image as it goes into a batch."""
        return self.changed(rng, [read_image(self.paths[index], self.channels)]).images[0]

    def label(self, index: int) -> Any:
        """Return an item's label: a number, or a vector of several."""
        labels = self.labels[index]
        return labels[0] if len(labels) == 1 else labels


class ListedImages(Images):
    """Images of a list, or of a folder whose folders are the classes."""

    source = Parameter(str, doc="a list, `path label label ...` on each line; or a folder with one for each class")
    root = Parameter(str, "", doc="the folder that a list's paths start from; default: the working directory")
    label_count = Parameter(int, None, low=0, doc="numbers behind each path of a list; default: as on its first line")

    def prepare(self) -> None:
        self.prepare_images()
        try:
            if os.path.isdir(self.source):
                self.wheres, self.labels = folder_of_classes(self.source)
                self.paths = self.wheres
            else:
                self.wheres, self.paths, self.labels = labelled_files(self.source, self.root, self.label_count)
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__


def folder_of_classes(root: str) -> tuple[list[str], Any]:
    """Return the images' paths and labels (images, 1): a class for each folder, numbered in the order of names."""
    paths: list[str] = []
    labels: list[int] = []
    for number, (name, files) in enumerate(class_folders(root, EXTENSIONS)):
        if not files:
            raise ValueError(f"{os.path.join(root, name)}: holds no images ({' '.join(EXTENSIONS)})")
        paths += files
        labels += [number] * len(files)
    if not paths:
        raise ValueError(f"{root}: holds no folder of images")
    return paths, np.array(labels, np.float64)[:, None]

"""Images with labels, from a list or from folders: what the layers that take images by label share."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.list_files import class_folders
from caffe_pylayers._layer.data.listed_data import FileList, FilesWithLabels
from caffe_pylayers._layer.images.image_data import ImageData
from caffe_pylayers._layer.images.image_files import read_image

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


class LabelledImages(ImageData, FilesWithLabels):
    """Images with labels."""

    def item(self, index: int, rng: Any) -> Any:
        return (self.pixels(index, rng), self.label(index))[: len(self.tops)]

    def pixels(self, index: int, rng: Any) -> Any:
        """Return an item's image as it goes into a batch."""
        return self.changed(rng, [read_image(self.paths[index], self.channels)]).images[0]

    def read_folder(self) -> None:
        """Take the images of a folder, ``source``, whose folders are the classes."""
        with self.reading():
            self.paths, self.labels = folder_of_classes(os.path.normpath(self.source))
        self.wheres = self.paths


class ListedImages(LabelledImages, FileList):
    """Images of a list, or of a folder whose folders are the classes."""

    source = Parameter(str, doc="a list, `path label label ...` on each line; or a folder with one for each class")

    def prepare(self) -> None:
        self.prepare_images()
        if os.path.isdir(self.source):
            self.read_folder()
        else:
            self.read_list()


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

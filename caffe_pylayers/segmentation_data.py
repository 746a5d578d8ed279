"""Images with label maps, from a list of pairs or from a folder in the form of PASCAL VOC.

    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.segmentation_data"  layer: "SegmentationPairs"
        param_str: '{"source": "train.txt", "root": "cityscapes", "batch_size": 4, "random_scale": [0.5, 2], '
                   '"crop": [512, 512], "mirror": true, "mean": [104, 117, 123], "workers": 4}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.segmentation_data"  layer: "SegmentationVOC"
        param_str: '{"root": "VOCdevkit/VOC2012", "split": "train", "batch_size": 4, "crop": [321, 321], '
                   '"mirror": true, "mean": [104, 117, 123], "num_classes": 21, "workers": 4}'
      }
    }

They need OpenCV, and Pillow for maps with a palette: pip install 'caffe-pylayers[images]'.
"""

from __future__ import annotations

import os

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.list_files import check_files, lines
from caffe_pylayers._layer.images.augment import resize
from caffe_pylayers._layer.images.image_data import ImageData
from caffe_pylayers._layer.images.image_files import read_image, read_label_map
from caffe_pylayers._layer.quote import short

__all__ = ["SegmentationPairs", "SegmentationVOC"]


def _is_label(word):
    return word.isdigit() and int(word) < 256


class _Pairs(ImageData):
    """Images with label maps.

    ``pairs()`` returns what messages call each, its image's path, and its map's; or in place of that the label that
    all of it has, or None for ignore_label.
    """

    tops, optional_tops = ("data", "label", "size"), 1

    ignore_label = Parameter(int, 255, low=0, high=255, doc="the label where there is no image, as around a crop")
    num_classes = Parameter(int, None, low=1, doc="C: other labels than 0 .. C-1 and ignore_label are refused")
    label_divide_factor = Parameter(
        int, 1, low=1, doc="label maps are smaller by this factor, by their nearest pixels: for nets that do not go up"
    )
    label_values = Parameter({int: int}, {}, low=0, high=255, doc="labels in the net by those in the files")

    def prepare(self):
        self.prepare_images()
        self.pad_values = {"label": self.ignore_label}
        self._values = np.arange(256, dtype=np.uint8)
        for value, label in self.label_values.items():
            if not 0 <= value < 256:
                raise checks.error(self, f"a key of parameter label_values must be in [0, 255], got {value}")
            self._values[value] = label
        try:
            self._wheres, self._images, self._maps = self.pairs()
            check_files(self._wheres, self._images)
            if isinstance(self._maps[0], str):
                check_files(self._wheres, self._maps)
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__

    def item_count(self):
        return len(self._images)

    def name_of(self, index):
        return self._wheres[index]

    def item(self, index, rng):
        image = read_image(self._images[index], self.channels)
        labels = self._labels(self._maps[index], image.shape[:2])
        if labels.shape != image.shape[:2]:
            paths = self._images[index], self._maps[index]
            raise ValueError(f"{paths[0]} is of {image.shape[:2]} pixels, its label map {paths[1]} of {labels.shape}")
        views = self.changed(rng, [image], labels)
        data, label_map = views.images[0], views.label_map
        if self.label_divide_factor > 1:
            height, width = (max(n // self.label_divide_factor, 1) for n in data.shape[1:])
            label_map = resize(label_map[0], (height, width), "nearest")[None]
        return data, label_map, np.minimum(views.whole, data.shape[1:])[None, None]

    def _labels(self, label_map, shape):
        if label_map is None:
            return np.full(shape, self.ignore_label, np.uint8)
        of_file = isinstance(label_map, str)
        labels = self.read_map(label_map) if of_file else np.full(shape, label_map, np.uint8)
        if labels.dtype != np.uint8:
            raise ValueError(f"{label_map}: a label map has 8 bits, got {labels.dtype}")
        if self.label_values:
            labels = self._values[labels]
        if self.num_classes is not None:
            wrong = labels[(labels >= self.num_classes) & (labels != self.ignore_label)]
            if wrong.size:
                raise ValueError(
                    f"{f'{label_map}: ' if of_file else ''}label {wrong[0]} is outside [0, {self.num_classes}), "
                    f"and not ignore_label {self.ignore_label}"
                )
        return labels

    def read_map(self, path):
        """Return the labels in a file."""
        return read_label_map(path)


class SegmentationPairs(_Pairs):
    """Images and label maps of a list.

    data[n] and label[n] = the image and the label map on line i_n, changed together as the parameters say: the map
    by its nearest pixels, and ignore_label where there is no image.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W): BGR by default
        [1] label (N, 1, H, W): a map's palette indices where it has a palette, else its gray values
        [2] size, optional, (N, 1, 1, 2): height and width of what is image in data
    Backward:
        none
    Raises:
        ValueError for a list that cannot be read and for files that are not there, before the net is built; for what
        is no image or map, a map of another size than its image, and other labels than the classes by the forward
        that was to use it. Each message names the list and the line.
    References:
        DenseImageData of SegNet's and ENet's Caffe, ImageSegData of DeepLab's and PSPNet's, ImageLabelmapData of
        HED's (with label_threshold: 128), which take the same lists. In TEST they mirror, shuffle and, but for
        ImageSegData, crop at random, too; they read a palette's colours, and ImageSegData resizes maps bilinearly.
        Published layers: SegDataLayer, ImageLabelmapDataLayer, and those of FCN with the folders of NYUDv2, SIFT Flow
        and Cityscapes.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, values in (("image.pgm", [10, 20]), ("map.pgm", [1, 255])):
        ...         with open(os.path.join(folder, name), "wb") as image:
        ...             _ = image.write(b"P5 2 1 255 " + bytes(values))
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("image.pgm map.pgm")
        ...     param_str = str({"source": source.name, "root": folder, "channels": "gray", "crop": [1, 4]})
        ...     run = LayerRun(SegmentationPairs, param_str=param_str, tops=2, phase=1)
        ...     data, label = run.forward()
        >>> data.ravel()
        array([ 0., 10., 20.,  0.])
        >>> label.ravel()
        array([255.,   1., 255., 255.])
    """

    source = Parameter(
        str, doc="the list: `image label_map` on each line, with a tab between them where names hold blanks"
    )
    root = Parameter(str, "", doc="the folder that the paths start from; default: the working directory")
    label_type = Parameter(
        str,
        "pixel",
        choices=("pixel", "image", "none"),
        doc="a line's second word; pixel: a label map; image: the label of all pixels; none: there is none, and "
        "label is ignore_label",
    )
    label_threshold = Parameter(
        int, None, low=1, high=255, doc="labels are 1 where a map's gray value is this or more, else 0: edge maps"
    )

    def pairs(self):
        """Return the lines' places, images and label maps, or labels."""
        found = lines(self.source)
        parts = [line.text.split("\t" if "\t" in line.text else None) for line in found]
        images = [self._path(words[0]) for words in parts]
        wheres = [line.where for line in found]
        if self.label_type == "none":
            return wheres, images, [None] * len(found)
        for line, words in zip(found, parts):
            if len(words) != 2 or (self.label_type == "image" and not _is_label(words[1])):
                second = "a label map" if self.label_type == "pixel" else "a label in [0, 255]"
                wanted = f"an image and {second} (label_type {self.label_type})"
                raise ValueError(f"{line.where}: needs {wanted}, got {short(line.text)}")
        return wheres, images, [self._path(word) if self.label_type == "pixel" else int(word) for _, word in parts]

    def read_map(self, path):
        if self.label_threshold is None:
            return super().read_map(path)
        return (read_image(path, "gray")[:, :, 0] >= self.label_threshold).astype(np.uint8)

    def _path(self, name):
        return os.path.join(self.root, name.lstrip("/")) if self.root else name


class SegmentationVOC(_Pairs):
    """Images and label maps of PASCAL VOC's folders.

    data[n] and label[n] = the image and the label map of name i_n in the split's list, changed together.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W)
        [1] label (N, 1, H, W): the palette's indices, 255 on the objects' borders
        [2] size, optional, (N, 1, 1, 2): height and width of what is image in data
    Backward:
        none
    Raises:
        As SegmentationPairs.
    References:
        Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010, doi:10.1007/s11263-009-0275-4; the
        VOCSegDataLayer of FCN (Shelhamer et al.), which takes one image at a time: here batch_size and crop, or
        varied: pad. SBD's maps, saved as images: maps: SegmentationClassAug.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = {"JPEGImages/a.pgm": b"P5 1 1 255 *", "SegmentationClass/a.pgm": b"P5 1 1 255 " + bytes([15]),
        ...              "ImageSets/Segmentation/val.txt": b"a"}
        ...     for name, content in files.items():
        ...         os.makedirs(os.path.join(folder, os.path.dirname(name)))
        ...         with open(os.path.join(folder, name), "wb") as file:
        ...             _ = file.write(content)
        ...     param_str = str({"root": folder, "split": "val", "image_extension": ".pgm", "map_extension": ".pgm"})
        ...     data, label = LayerRun(SegmentationVOC, param_str=param_str, tops=2).forward()
        >>> data.ravel(), label.ravel()
        (array([42., 42., 42.]), array([15.]))
    """

    root = Parameter(str, doc="the folder with JPEGImages, SegmentationClass and ImageSets, such as VOCdevkit/VOC2012")
    split = Parameter(str, doc="the list of names: ImageSets/Segmentation/SPLIT.txt")
    maps = Parameter(str, "SegmentationClass", doc="the folder of the label maps")
    image_extension = Parameter(str, ".jpg", doc="of the images' files")
    map_extension = Parameter(str, ".png", doc="of the label maps' files")

    def pairs(self):
        """Return the lines' places, images and label maps."""
        found = lines(os.path.join(self.root, "ImageSets", "Segmentation", f"{self.split}.txt"))
        images = [os.path.join(self.root, "JPEGImages", line.text + self.image_extension) for line in found]
        maps = [os.path.join(self.root, self.maps, line.text + self.map_extension) for line in found]
        return [line.where for line in found], images, maps

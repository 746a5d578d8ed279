"""Images with boxes for detection, from PASCAL VOC's folders, a COCO file or a list.

    layer {
      name: "data"  type: "Python"  top: "data"  top: "gt_boxes"  top: "im_info"
      python_param {
        module: "caffe_pylayers.box_data"  layer: "BoxesVOC"
        param_str: '{"root": "VOCdevkit/VOC2007", "split": "trainval", "batch_size": 1, "shorter": 600, "longer": 1000,'
                   ' "mirror": true, "mean": [102.9801, 115.9465, 122.7717], "workers": 2}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "data"  top: "gt_boxes"  top: "im_info"
      python_param {
        module: "caffe_pylayers.box_data"  layer: "BoxesCOCO"
        param_str: '{"source": "annotations/instances_train2017.json", "root": "train2017", "batch_size": 2, '
                   '"shorter": 600, "longer": 1000, "varied": "pad", "mirror": true, "mean": [103, 116, 123], '
                   '"workers": 2}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "data"  top: "gt_boxes"  top: "im_info"
      python_param {
        module: "caffe_pylayers.box_data"  layer: "BoxesList"
        param_str: '{"source": "voc2007.trainval", "root": "VOCdevkit/VOC2007/JPEGImages", "shorter": 600, '
                   '"longer": 1000, "mirror": true, "mean": [102.9801, 115.9465, 122.7717], "workers": 2}'
      }
    }

They need OpenCV: pip install 'caffe-pylayers[images]'.
"""

from __future__ import annotations

import json

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.images.box_lists import VOC_CLASSES, coco_boxes, listed_boxes, voc_boxes
from caffe_pylayers._layer.images.image_data import ImageData
from caffe_pylayers._layer.images.image_files import read_image
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["BoxesCOCO", "BoxesList", "BoxesVOC"]


class _Boxes(ImageData):
    """Images with boxes: ``boxes()`` returns them, see box_lists.py."""

    inclusive = Parameter(
        bool, True, doc="x2 and y2 are the last pixel in the box, as R-CNN has it; false: the edge behind it"
    )
    least_visible = Parameter(
        float, 0.0, low=0, high=1, doc="boxes of which a crop has less than this part of the area are left out"
    )
    without_boxes = Parameter(bool, False, doc="TRAIN: images without boxes too")
    flagged = Parameter(
        str,
        "omit",
        choices=("omit", "take", "mark"),
        doc="objects marked as difficult, and crowds; mark: take them, in a column more that is 1 for them",
    )

    tops = ("data", "gt_boxes", "im_info")
    optional_tops = 1
    row_tops = ("gt_boxes",)

    def prepare(self):
        self.prepare_images()
        try:
            listed = self.boxes()
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__
        if self.flagged == "omit":
            listed = [each._replace(rows=each.rows[each.rows[:, 5] == 0]) for each in listed]
        everything = self.phase != TRAIN or self.without_boxes
        self._listed = [each for each in listed if everything or len(each.rows)]

    def item_count(self):
        return len(self._listed)

    def name_of(self, index):
        return self._listed[index].where

    def item(self, index, rng):
        each = self._listed[index]
        views = self.changed(rng, [read_image(each.path, self.channels)], boxes=each.rows)
        (data,), boxes = views.images, views.boxes
        if self.inclusive:
            boxes = boxes - [0, 0, 1, 1, 0, 0]
        if self.flagged != "mark":
            boxes = boxes[:, :5]
        return data, boxes, np.array([*data.shape[1:], views.scale[0]])


class BoxesVOC(_Boxes):
    """Images and boxes of PASCAL VOC's folders.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W): BGR by default
        [1] gt_boxes (R, 6): n, x1, y1, x2, y2, class, of all images of the batch, n the image's place in it, in
            pixels of data; classes count from 1. With flagged: mark (R, 7), 1 for a difficult object in the end
        [2] im_info (N, 3), optional: height and width of the image, without padding, and the scale it was resized by
    Backward:
        none
    Raises:
        ValueError for lists, annotations and images that cannot be read or are not there, for classes that are not
        listed and boxes that end before they begin, before the net is built; each message names the file.
    References:
        Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010, doi:10.1007/s11263-009-0275-4. The
        RoIDataLayer of Faster R-CNN (Ren et al., 2015, arXiv:1506.01497): its gt_boxes (R, 5) are columns 1 to 5
        here, as it has one image at a time; with resizing its boxes differ by less than a pixel: here edges are
        scaled, there the places of pixels.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> box = "<bndbox><xmin>2</xmin><ymin>1</ymin><xmax>3</xmax><ymax>2</ymax></bndbox>"
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = {"JPEGImages/a.pgm": b"P5 4 2 255 " + bytes(8), "ImageSets/Main/train.txt": b"a",
        ...              "Annotations/a.xml": f"<a><object><name>cat</name>{box}</object></a>".encode()}
        ...     for name, content in files.items():
        ...         os.makedirs(os.path.join(folder, os.path.dirname(name)))
        ...         with open(os.path.join(folder, name), "wb") as file:
        ...             _ = file.write(content)
        ...     param_str = str({"root": folder, "split": "train", "extension": ".pgm", "resize": [4, 8]})
        ...     data, gt_boxes, im_info = LayerRun(BoxesVOC, param_str=param_str, tops=3).forward()
        >>> gt_boxes
        array([[0., 2., 0., 5., 3., 8.]])
        >>> im_info
        array([[4., 8., 2.]])
    """

    root = Parameter(str, doc="the folder with JPEGImages, Annotations and ImageSets, such as VOCdevkit/VOC2007")
    split = Parameter(str, doc="the list of names: ImageSets/Main/SPLIT.txt")
    class_names = Parameter([str], VOC_CLASSES, length=(1, None), doc="of the classes from 1 on")
    extension = Parameter(str, ".jpg", doc="of the images' files")

    def boxes(self):
        """Return the images with their boxes."""
        return voc_boxes(self.root, self.split, self.class_names, self.extension)


class BoxesCOCO(_Boxes):
    """Images and boxes of a COCO file.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W): BGR by default
        [1] gt_boxes (R, 6): n, x1, y1, x2, y2, class, as BoxesVOC; classes are the categories in the order of their
            ids, from 1. With flagged: mark (R, 7), 1 for a crowd in the end
        [2] im_info (N, 3), optional: height, width and scale, as BoxesVOC
    Backward:
        none
    Raises:
        ValueError for a file that is no COCO file of instances, entries that lack something, and images that are not
        there, before the net is built; each message names the file and the entry.
    References:
        Lin et al., "Microsoft COCO: Common Objects in Context", 2014, arXiv:1405.0312. Boxes around crowds and boxes
        without area are left out, as in Faster R-CNN's training on COCO.
    Example:
        >>> import json, os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "a.pgm"), "wb") as image:
        ...         _ = image.write(b"P5 4 2 255 " + bytes(8))
        ...     content = {"images": [{"id": 9, "file_name": "a.pgm"}], "categories": [{"id": 18, "name": "dog"}],
        ...                "annotations": [{"image_id": 9, "category_id": 18, "bbox": [1, 0, 2, 2]}]}
        ...     with open(os.path.join(folder, "boxes.json"), "w") as source:
        ...         json.dump(content, source)
        ...     param_str = str({"source": source.name, "root": folder, "inclusive": False})
        ...     data, gt_boxes = LayerRun(BoxesCOCO, param_str=param_str, tops=2).forward()
        >>> gt_boxes
        array([[0., 1., 0., 3., 2., 1.]])
    """

    source = Parameter(str, doc="the file of instances, JSON")
    root = Parameter(str, "", doc="the images' folder; default: the working directory")

    def boxes(self):
        """Return the images with their boxes."""
        listed, self.class_names = coco_boxes(self.source, self.root)
        return listed


# Of the settings of makefile/frcnn: those that are taken, and those that must have these values.
_TAKEN = {"scales": int, "max_size": int, "use_flipped": bool, "pixel_means": float}
_LEFT = {"data_jitter": -1, "use_haze_free": 0, "use_retinex": 0, "use_hist_equalize": 0, "im_size_align": 1}


class BoxesList(_Boxes):
    """Images and boxes of a list of numbers.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W): BGR by default
        [1] gt_boxes (R, 6): n, x1, y1, x2, y2, class, as BoxesVOC, cut to the image. With flagged: mark (R, 7)
        [2] im_info (N, 3), optional: height, width and scale, as BoxesVOC
    Backward:
        none
    Raises:
        ValueError for a list or settings that cannot be read, for what is no box, for settings that ask for what is not
        here, and images that are not there, before the net is built; each message names the file and the image.
    References:
        FrcnnRoiData of makefile/frcnn, with im_info before gt_boxes, whose shape is (R, 5, 1, 1) there: columns 1 to 5
        of here. It shrinks images with OpenCV's area interpolation, and enlarges them with its linear one.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "a.pgm"), "wb") as image:
        ...         _ = image.write(b"P5 4 2 255 " + bytes(8))
        ...     with open(os.path.join(folder, "list"), "w") as source:
        ...         _ = source.write("# 0 a.pgm 1  15 1 0 2 1 0")
        ...     param_str = str({"source": source.name, "root": folder})
        ...     data, gt_boxes = LayerRun(BoxesList, param_str=param_str, tops=2).forward()
        >>> gt_boxes
        array([[ 0.,  1.,  0.,  2.,  1., 15.]])
    """

    source = Parameter(
        str, doc="the list: `# number path count` for each image, and count times `class x1 y1 x2 y2 difficult`"
    )
    root = Parameter(str, "", doc="the images' folder; default: the working directory")
    settings = Parameter(
        str,
        None,
        doc="a file of makefile/frcnn, JSON, whose scales, max_size, use_flipped and pixel_means count in place of "
        "shorter, longer, mirror and mean",
    )

    def prepare(self):
        if self.settings is not None:
            self._take_settings()
        super().prepare()

    def boxes(self):
        """Return the images with their boxes."""
        return listed_boxes(self.source, self.root)

    def item(self, index, rng):
        data, boxes, info = super().item(index, rng)
        height, width = data.shape[1:]
        boxes[:, :4] = boxes[:, :4].clip(0, [width - self.inclusive, height - self.inclusive] * 2)
        return data, boxes, info

    def _take_settings(self):
        names = *_TAKEN, *_LEFT
        try:
            with open(self.settings, encoding="utf-8") as file:
                content = json.load(file)
            given = {name: [float(n) for n in content[name].split(",")] for name in names if name in content}
            taken = {name: tuple(map(kind, given[name])) for name, kind in _TAKEN.items()}
            (self.shorter,), (self.longer,), (self.mirror,) = taken["scales"], taken["max_size"], taken["use_flipped"]
            self.mean = taken["pixel_means"]
        except OSError as error:
            raise checks.error(self, f"parameter settings: {self.settings}: {error.strerror}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise checks.error(
                self,
                f"parameter settings: {self.settings} must have {', '.join(_TAKEN)} as texts of numbers, one in each "
                f"but the last ({type(error).__name__}: {error})",
            ) from error
        for name, nothing in _LEFT.items():
            if given.get(name, [nothing]) != [nothing]:
                raise checks.error(self, f"parameter settings: {self.settings}: nothing here does what {name} asks for")

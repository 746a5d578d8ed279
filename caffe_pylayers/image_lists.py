"""Images with labels, from a list of files or from a folder for each class.

    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.image_lists"  layer: "ImageList"
        param_str: '{"source": "train.txt", "root": "images", "batch_size": 32, "shorter": 256, "crop": [224, 224], '
                   '"mirror": true, "mean": [104, 117, 123], "workers": 4}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      include { phase: TRAIN }
      python_param {
        module: "caffe_pylayers.image_lists"  layer: "ImageFolder"
        param_str: '{"source": "train", "batch_size": 32, "resize": [256, 256], "crop": [224, 224], "mirror": true, '
                   '"brightness": 0.2, "hue": 0.05, "sampling": "balanced", "workers": 4}'
      }
    }

They need OpenCV: pip install 'caffe-pylayers[images]'.
"""

from __future__ import annotations

import os

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.list_files import labelled_files
from caffe_pylayers._layer.images.image_list import Images, folder_of_classes

__all__ = ["ImageFolder", "ImageList"]


class ImageList(Images):
    """Images of a list, each with any number of labels, or with a vector.

    data[n] = the image on line i_n of the list, changed as the parameters say; label[n] = the numbers behind it.

    Top:
        [0] data (N, C, H, W): BGR by default, as Caffe's models have it
        [1] label, optional: (N,) where a line has one number; (N, L) where it has L; with more tops than these two
        [1] ... [L] one number each, (N,)
    Bottom:
        none
    Backward:
        none
    Raises:
        ValueError for a list that cannot be read, for a line with another number of labels than the first, and for
        files that are not there, before the net is built; for what is no image and for images of different shapes in
        a batch by the forward that was to use it. Each message names the list and the line.
    References:
        Caffe's ImageData, which takes one integer label. With resize, mean, scale, crop and mirror the values are
        its. Published layers that it stands for: MultiLabelDataLayer, ImageLabelDataLayer, RegressionDataLayer and
        the like, with several labels, vectors and floats.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "a.pgm"), "wb") as image:
        ...         _ = image.write(b"P5 2 2 255 " + bytes([10, 20, 30, 40]))
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("a.pgm 3 0.5")
        ...     param_str = str({"source": source.name, "root": folder, "channels": "gray", "mean": [10]})
        ...     run = LayerRun(ImageList, param_str=param_str, tops=2)
        ...     data, label = run.forward()
        >>> data[0, 0]
        array([[ 0., 10.],
               [20., 30.]])
        >>> label
        array([[3. , 0.5]])
    """

    source = Parameter(str, doc="the list: `path label label ...` on each line; paths may hold blanks")
    root = Parameter(str, "", doc="the folder that the paths start from; default: the working directory")
    label_count = Parameter(int, None, low=0, doc="numbers behind each path; default: as many as on the first line")

    def prepare(self):
        self.prepare_images()
        try:
            self.wheres, self.paths, self.labels = labelled_files(self.source, self.root, self.label_count)
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__
        count = self.labels.shape[1]
        if not count:
            self.tops = ("data",)
        elif self.top_count > 2:
            self.tops, self.optional_tops = ("data", *(f"label {i}" for i in range(count))), 0

    def item(self, index, rng):
        data = self.pixels(index, rng)
        if len(self.tops) > 2:
            return (data, *self.labels[index])
        return (data, self.label(index))[: len(self.tops)]


class ImageFolder(Images):
    """Images of a folder that has a folder for each class.

    data[n] = an image, changed as the parameters say; label[n] = the number of its folder, in the order of names.

    Top:
        [0] data (N, C, H, W)
        [1] label (N,), optional
    Bottom:
        none
    Backward:
        none
    Raises:
        ValueError for a folder without classes and for a class without images, before the net is built; for what is
        no image and for images of different shapes in a batch by the forward that was to use it.
    References:
        torchvision's ImageFolder, with its order of classes and files; images in folders of the classes' own count
        too.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("cat", "dog"):
        ...         os.mkdir(os.path.join(folder, name))
        ...         with open(os.path.join(folder, name, "1.pgm"), "wb") as image:
        ...             _ = image.write(b"P5 1 1 255 " + name[:1].encode())
        ...     param_str = str({"source": folder, "channels": "gray", "batch_size": 2, "shuffle": False})
        ...     run = LayerRun(ImageFolder, param_str=param_str, tops=2)
        ...     data, label = run.forward()
        >>> data.ravel()
        array([ 99., 100.])
        >>> label
        array([0., 1.])
    """

    source = Parameter(str, doc="the folder; its folders are the classes")

    def prepare(self):
        self.prepare_images()
        try:
            self.paths, self.labels = folder_of_classes(os.path.normpath(self.source))
        except ValueError as error:
            raise checks.error(self, str(error)) from error.__cause__
        self.wheres = self.paths

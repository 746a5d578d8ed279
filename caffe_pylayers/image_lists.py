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

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data.listed_data import FileList
from caffe_pylayers._layer.data.samplers import Shuffled
from caffe_pylayers._layer.images.image_list import LabelledImages
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["ImageFolder", "ImageList"]


class ImageList(LabelledImages, FileList):
    """Images of a list, each with any number of labels, or with a vector.

    data[n] = the image on line i_n of the list, changed as the parameters say; label[n] = the numbers behind it.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W): BGR by default, as Caffe's models have it
        [1] label, optional: (N,) where a line has one number; (N, L) where it has L; with more tops than these two
        [1] ... [L] one number each, (N,)
    Backward:
        none
    Raises:
        ValueError for a list that cannot be read, for a line with another number of labels than the first, and for
        files that are not there, before the net is built; for what is no image and for images of different shapes in
        a batch by the forward that was to use it. Each message names the list and the line.
    References:
        Caffe's ImageData, which takes one integer label. With resize, mean, scale, crop and mirror the values are
        its. Published layers that it stands for: MultiLabelDataLayer, ImageLabelDataLayer, RegressionDataLayer and
        the like, with several labels, vectors and floats; with together the ImageData of xiaolonw/caffe-video_triplet.
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

    together = Parameter(
        int, 1, low=1, doc="TRAIN: so many items of the list stay one behind the other when it is shuffled: 2: pairs"
    )

    def prepare(self):
        self.prepare_images()
        self.read_list()
        if self.together > len(self.paths):
            raise checks.error(self, f"parameter together is {self.together}, but the list has {len(self.paths)} items")
        count = self.labels.shape[1]
        if count and self.top_count > 2:
            self.tops, self.optional_tops = ("data", *(f"label {i}" for i in range(count))), 0

    def sampler(self):
        if self.phase == TRAIN and self.shuffle and self.sampling == "items":
            return Shuffled(self.item_count(), self.item_seed, self.together)
        return super().sampler()

    def item(self, index, rng):
        if len(self.tops) > 2:
            return (self.pixels(index, rng), *self.labels[index])
        return super().item(index, rng)


class ImageFolder(LabelledImages):
    """Images of a folder that has a folder for each class.

    data[n] = an image, changed as the parameters say; label[n] = the number of its folder, in the order of names.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W)
        [1] label (N,), optional
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
        self.read_folder()

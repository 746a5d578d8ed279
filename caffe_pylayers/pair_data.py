"""Images by label in pairs, in triplets and in batches of P classes with K images each, for embeddings.

    layer {
      name: "data"  type: "Python"  top: "data_a"  top: "data_b"  top: "same"
      python_param {
        module: "caffe_pylayers.pair_data"  layer: "PairsByLabel"
        param_str: '{"source": "faces", "batch_size": 64, "resize": [112, 96], "mirror": true, "workers": 4}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "anchor"  top: "positive"  top: "negative"
      python_param {
        module: "caffe_pylayers.pair_data"  layer: "TripletsByLabel"
        param_str: '{"source": "faces", "batch_size": 40, "resize": [112, 96], "mirror": true, "workers": 4}'
      }
    }
    layer {
      name: "data"  type: "Python"  top: "data"  top: "label"
      python_param {
        module: "caffe_pylayers.pair_data"  layer: "PKBatches"
        param_str: '{"source": "faces", "batch_size": 72, "samples_per_class": 4, "resize": [112, 96], "workers": 4}'
      }
    }

They need OpenCV: pip install 'caffe-pylayers[images]'.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.data import samplers
from caffe_pylayers._layer.images.image_list import ListedImages

__all__ = ["PKBatches", "PairsByLabel", "TripletsByLabel"]


class _Anchors(ListedImages):
    """Tuples of images: an item is an anchor, an image whose class has another one, with partners drawn by label."""

    def prepare(self):
        super().prepare()
        self._classes = self.classes()
        self._members = samplers.by_class(self._classes)
        if len(self._members) < 2:
            raise checks.error(self, f"{self.source}: needs images of two classes or more, got {len(self._members)}")
        self._anchors = [i for i, label in enumerate(self._classes.tolist()) if len(self._members[label]) > 1]
        if not self._anchors:
            raise checks.error(self, f"{self.source}: needs a class of two images or more, and each has one")

    def item_count(self):
        return len(self._anchors)

    def name_of(self, index):
        return super().name_of(self._anchors[index])

    def partner(self, rng, anchor, same):
        """Return another image of the anchor's class, or one of another class."""
        members = self._members[int(self._classes[anchor])]
        if same:
            drawn = int(rng.random() * (len(members) - 1))
            return int(members[drawn + (members[drawn] >= anchor)])
        # The members of a class are in the order of their images: count those that lie before, and pass over them.
        drawn = int(rng.random() * (len(self._classes) - len(members)))
        return drawn + int(np.searchsorted(members - np.arange(len(members)), drawn, side="right"))

    def sampled(self, rng, *indices):
        """Return the images and the labels, each an array for a top."""
        return (*(self.pixels(i, rng) for i in indices), *(self._classes[i] for i in indices))


class PairsByLabel(_Anchors):
    """Pairs of images, of one class or of two.

    data_a[n] = an image whose class has more than one; data_b[n] = another of its class with the probability
    ``same_share``, same[n] = 1; else an image of another class, same[n] = 0.

    Bottom:
        none
    Top:
        [0] data_a (N, C, H, W)
        [1] data_b (N, C, H, W)
        [2] same (N,): 1 or 0, as Caffe's ContrastiveLoss takes it
        [3], [4] label_a, label_b (N,), optional
    Backward:
        none
    Raises:
        ValueError as ImageList and ImageFolder, and where no class has two images, or all images are of one class.
    References:
        Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
        doi:10.1109/CVPR.2006.100; Caffe's example of siamese networks, whose pairs are made beforehand.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("a1", "a2", "b1"):
        ...         with open(os.path.join(folder, name), "wb") as image:
        ...             _ = image.write(b"P5 1 1 255 " + name[1:].encode())
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("a1 0" + chr(10) + "a2 0" + chr(10) + "b1 1")
        ...     param_str = str({"source": source.name, "root": folder, "batch_size": 2, "same_share": 1})
        ...     a, b, same, label_a, label_b = LayerRun(PairsByLabel, param_str=param_str, tops=5).forward()
        >>> same, label_a, label_b
        (array([1., 1.]), array([0., 0.]), array([0., 0.]))
    """

    same_share = Parameter(float, 0.5, low=0, high=1, doc="the part of pairs that are of one class")

    tops: Sequence[str] = ("data_a", "data_b", "same", "label_a", "label_b")
    optional_tops = 2

    def item(self, index, rng):
        anchor, same = self._anchors[index], rng.random() < self.same_share
        a, b, label_a, label_b = self.sampled(rng, anchor, self.partner(rng, anchor, same))
        return a, b, same, label_a, label_b


class TripletsByLabel(_Anchors):
    """Triplets of images: an anchor, another image of its class, and one of another class.

    anchor[n] = an image whose class has more than one, positive[n] = another of its class, negative[n] = an image of
    another class, any as likely.

    Bottom:
        none
    Top:
        [0] anchor (N, C, H, W)
        [1] positive (N, C, H, W)
        [2] negative (N, C, H, W)
        [3], [4], [5] their labels (N,), optional
    Backward:
        none
    Raises:
        ValueError as PairsByLabel.
    References:
        Schroff, Kalenichenko and Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", 2015,
        arXiv:1503.03832. Triplets that are hard come from batches of PKBatches, by selection within the net.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("a1", "a2", "b1"):
        ...         with open(os.path.join(folder, name), "wb") as image:
        ...             _ = image.write(b"P5 1 1 255 " + name[1:].encode())
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         _ = source.write("a1 0" + chr(10) + "a2 0" + chr(10) + "b1 1")
        ...     param_str = str({"source": source.name, "root": folder, "batch_size": 2})
        ...     tops = LayerRun(TripletsByLabel, param_str=param_str, tops=6).forward()
        >>> tops[3], tops[4], tops[5]
        (array([0., 0.]), array([0., 0.]), array([1., 1.]))
    """

    tops: Sequence[str] = ("anchor", "positive", "negative", "label_anchor", "label_positive", "label_negative")
    optional_tops = 3

    def item(self, index, rng):
        anchor = self._anchors[index]
        return self.sampled(rng, anchor, self.partner(rng, anchor, True), self.partner(rng, anchor, False))


class PKBatches(ListedImages):
    """Batches of P classes with K images each, the images of a class side by side.

    P = batch_size / samples_per_class; in C // P batches no class comes twice. In the TEST phase images come in order.

    Bottom:
        none
    Top:
        [0] data (N, C, H, W), N = P K
        [1] label (N,)
    Backward:
        none
    Raises:
        ValueError as ImageList and ImageFolder; for a batch_size that is no multiple of samples_per_class, and for
        fewer than P classes.
    References:
        Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        arXiv:1703.07737: what batch-hard triplets, n-pair and lifted structure losses are computed on.
    Example:
        >>> import os, tempfile
        >>> from caffe_pylayers.testing import LayerRun
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(os.path.join(folder, "list.txt"), "w") as source:
        ...         for number, label in enumerate([5, 5, 7, 7, 7, 9]):
        ...             with open(os.path.join(folder, f"{number}.pgm"), "wb") as image:
        ...                 _ = image.write(b"P5 1 1 255 *")
        ...             _ = source.write(f"{number}.pgm {label}" + chr(10))
        ...     param_str = str({"source": source.name, "root": folder, "batch_size": 6, "samples_per_class": 2})
        ...     data, label = LayerRun(PKBatches, param_str=param_str, tops=2).forward()
        >>> sorted(label.tolist())
        [5.0, 5.0, 7.0, 7.0, 9.0, 9.0]
    """

    sampling = Parameter(
        str, "classes", choices=("items", "balanced", "classes"), doc="TRAIN: classes: P x K; else as in ImageList"
    )

    optional_tops = 0

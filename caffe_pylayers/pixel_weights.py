"""Weights of positions, made from label maps: for the weights bottom of a loss.

    layer {
      name: "weight"  type: "Python"
      bottom: "label"  top: "weight"
      python_param {
        module: "caffe_pylayers.pixel_weights"  layer: "ClassBalancedWeights"
        param_str: '{"num_classes": 21, "scheme": "median", "ignore_label": 255}'
      }
    }

U-Net's map, with the class weights of the layer above in it; "label" numbers the cells, or is 1 on all of them:

    layer {
      name: "boundary"  type: "Python"
      bottom: "label"  bottom: "weight"  top: "boundary"
      python_param {
        module: "caffe_pylayers.pixel_weights"  layer: "BoundaryWeights"
        param_str: '{"w0": 10, "sigma": 5}'
      }
    }
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.functions.regions import connected_regions, nearest_two, numbered_labels

__all__ = ["BoundaryWeights", "ClassBalancedWeights", "boundary_weights_forward", "class_balanced_weights"]

_LEAST = 1e-8  # of w0: what is less, float32 loses beside a weight of 1


def boundary_weights_forward(regions, w0, sigma):
    """Return w0 exp(-(d1 + d2)**2 / (2 sigma**2)) for regions (N, H, W), numbers from 1 and 0 for the background.

    d1, d2: a position's distances to the nearest and the second nearest region of its image, in
        pixels. Distances that leave less than 1e-8 w0 count as infinite.
    """
    near, second = nearest_two(regions, sigma * math.sqrt(-2 * math.log(_LEAST)))
    return w0 * np.exp(-((near + second) ** 2) / (2 * sigma**2))


def class_balanced_weights(counts, scheme, beta=0.999, shares=None):
    """Return the classes' weights (C,), 0 for those that do not occur.

        inverse: sum(n) / (K n_c);  median: median(f) / f_c;  log: 1 / ln(1.02 + n_c / sum(n))
        effective: E_c = (1 - beta) / (1 - beta**n_c), times K / sum(E)

    counts: n (C,); K of them are not 0.
    shares: f (C,), default counts.
    """
    occur = counts > 0
    weights, n = np.zeros(len(counts)), counts[occur]
    if scheme == "inverse":
        weights[occur] = n.sum() / (len(n) * n)
    elif scheme == "median":
        f = n if shares is None else shares[occur]
        weights[occur] = np.median(f) / f if len(f) else 0
    elif scheme == "log":
        weights[occur] = 1 / np.log(1.02 + n / n.sum())
    else:  # expm1: 1 - beta**n has few digits where beta is near 1
        effective = (1 - beta) / (-np.expm1(n * math.log(beta)) if beta else 1 + 0 * n)
        weights[occur] = effective * len(n) / effective.sum()
    return weights


def _with_channel(shape):
    """Return the shape of weights for labels of this one: with a channel where (N, H, W) has none."""
    return (shape[0], 1, *shape[1:]) if len(shape) == 3 else tuple(shape)


class ClassBalancedWeights(NoGradient):
    """A weight for each label, larger for rarer classes.

    w = the weight of the label's class c, from how often it occurs, n_c of sum(n) labels:
    inverse: sum(n) / (K n_c), with K classes that occur, so that all classes weigh the same;
    median: median(f) / f_c, with f_c = n_c over the positions of the images that have class c;
    log: 1 / ln(1.02 + n_c / sum(n));
    effective: (1 - beta) / (1 - beta**n_c), times what makes their sum K.

    Bottom:
        [0] labels (N, 1, H, W), (N, H, W), (N,), (N, 1) or (N, 1, 1, 1): integers in [0, num_classes)
    Top:
        [0] weights w: the shape of the labels, (N, 1, H, W) for (N, H, W); 0 where ignored
    Backward:
        Zeros.
    Raises:
        ValueError for labels outside [0, num_classes).

    References:
        inverse: King and Zeng, "Logistic Regression in Rare Events Data", 2001, as scikit-learn's
        class_weight="balanced". median: Eigen and Fergus, "Predicting Depth, Surface Normals and
        Semantic Labels", 2015, arXiv:1411.4734; SegNet's class_weighting are such numbers. log:
        Paszke et al., "ENet", 2016, arXiv:1606.02147. effective: Cui et al., "Class-Balanced Loss
        Based on Effective Number of Samples", 2019, arXiv:1901.05555.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(ClassBalancedWeights, [[0, 0, 0, 1]], param_str='{"num_classes": 2}').forward()[0].round(4)
        array([0.6667, 0.6667, 0.6667, 2.    ])
    """

    array_api = True

    num_classes = Parameter(int, low=1, doc="C")
    scheme = Parameter(
        str, "inverse", choices=("inverse", "median", "log", "effective"), doc="how a weight follows from counts"
    )
    counts = Parameter(
        [float],
        (),
        above=0,
        doc="n_c (median: f_c) of the training set, C of them, counts or shares (effective: counts); "
        "default: those of the batch",
    )
    beta = Parameter(float, 0.999, low=0, high=1, doc="of effective, below 1: 0 weighs all the same")
    max_weight = Parameter(float, None, above=0, doc="larger weights become this; default: none do")
    ignore_label = Parameter(int, None, doc="labels of this value get weight 0, and are not counted")

    def setup(self, bottom, top):
        checks.tops(self, top, "weights")
        if self.counts and len(self.counts) != self.num_classes:
            raise checks.error(
                self, f"parameter counts must have num_classes numbers, {self.num_classes}, got {len(self.counts)}"
            )
        if self.beta == 1:
            raise checks.error(self, "parameter beta must be below 1; for beta near 1 the scheme is inverse")

    def plan(self, labels):
        self._images = len(labels) if labels.shape else 1
        self._classes = arrays.arange_like(labels, self.num_classes)
        self._given = self._table(np.array(self.counts), None) if self.counts else None
        return [_with_channel(labels.shape)]

    def forward(self, bottom, top):
        labels, valid = checks.class_labels(self, bottom[0].data, self._classes, self.ignore_label)
        table = self._given
        if table is None:
            table = self._table(*self._count(labels, valid))
        weights = arrays.take_clipped(arrays.from_numpy(table, top[0].data), labels)
        if valid is not None:
            weights *= valid
        top[0].data[...] = weights.reshape(top[0].data.shape)

    def _table(self, counts, shares):
        weights = class_balanced_weights(counts, self.scheme, self.beta, shares)
        return weights if self.max_weight is None else weights.clip(0, self.max_weight)

    def _count(self, labels, valid):
        """Return how often each class occurs (C,), and its share of the positions of the images that have it."""
        images = self._images if len(labels) > self._images else 1  # (N,) labels are samples: the shares are of all
        image = arrays.arange_like(labels, len(labels)) // max(len(labels) // images, 1)
        places = labels + image * self.num_classes
        found = self.xp.bincount(places if valid is None else places[valid], minlength=images * self.num_classes)
        found = arrays.to_numpy(found).astype(float).reshape(images, self.num_classes)
        counts = found.sum(0)
        return counts, counts / ((found > 0) * found.sum(1, keepdims=True)).sum(0).clip(1, None)


class BoundaryWeights(Layer):
    """U-Net's weights: large on the background between two objects that are near each other.

    w = w_c + w0 exp(-(d1 + d2)**2 / (2 sigma**2)), with d1 and d2 the distances in pixels to the
    nearest and the second nearest object; the second term is on the background only, unless
    everywhere. Without a second object in the image it is 0.

    Bottom:
        [0] labels (N, 1, H, W) or (N, H, W): what is not the background are objects
        [1] class weights w_c, optional: as many values, such as ClassBalancedWeights' top.
            Default: 1
    Top:
        [0] weights w (N, 1, H, W)
    Backward:
        d_class_weights = d_w; the labels get zeros.
    Raises:
        ValueError for shapes that do not fit.

    References:
        Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015,
        arXiv:1505.04597. The term is 0 where it is less than 1e-8 w0, some 6 sigma from the second
        object.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(BoundaryWeights, [[[[1, 0, 0, 2, 0]]]], param_str='{"sigma": 2}').forward()[0].round(3)
        array([[[[1.   , 4.247, 4.247, 1.   , 1.439]]]])
    """

    w0 = Parameter(float, 10.0, low=0, doc="the largest of the boundary's weights, where d1 + d2 is near 0")
    sigma = Parameter(float, 5.0, above=0, doc="in pixels: how fast it falls with d1 + d2")
    objects = Parameter(
        str,
        "regions",
        choices=("regions", "labels"),
        doc="regions: positions of equal label that hang together; labels: all positions of a label, in instance maps",
    )
    connectivity = Parameter(int, 8, choices=(4, 8), doc="of regions: neighbours by which positions hang together")
    background_label = Parameter(int, 0, doc="the label of what is no object")
    ignore_label = Parameter(int, None, doc="positions with this label are no object, and get weight 0")
    everywhere = Parameter(bool, False, doc="the second term on objects too, where d1 is 0; for objects that touch")

    def setup(self, bottom, top):
        checks.tops(self, top, "weights")

    def plan(self, labels, class_weights=None):
        shape = _with_channel(labels.shape)
        if len(shape) != 4 or shape[1] != 1:
            raise checks.error(self, f"bottom[0] (labels) must have shape (N, 1, H, W), got {tuple(labels.shape)}")
        self._shape = (shape[0], *shape[2:])
        if class_weights is not None and math.prod(class_weights.shape) != math.prod(shape):
            raise checks.error(
                self, f"bottom[1] (class_weights) must have shape {shape}, got {tuple(class_weights.shape)}"
            )
        return [shape]

    def forward(self, bottom, top):
        labels = bottom[0].data.reshape(self._shape)
        weights = top[0].data.reshape(self._shape)
        weights[...] = bottom[1].data.reshape(self._shape) if len(bottom) == 2 else 1
        weights += self._boundary(labels)
        if self.ignore_label is not None:
            weights[labels == self.ignore_label] = 0

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            arrays.fill(bottom[0].diff, 0)
        if len(bottom) == 2 and propagate_down[1]:
            d = bottom[1].diff.reshape(self._shape)
            d[...] = top[0].diff.reshape(self._shape)
            if self.ignore_label is not None:
                d[bottom[0].data.reshape(self._shape) == self.ignore_label] = 0

    def _boundary(self, labels):
        background = labels == self.background_label
        if self.ignore_label is not None:
            labels = np.where(labels == self.ignore_label, self.background_label, labels)
        if self.objects == "regions":
            regions = connected_regions(labels, self.background_label, self.connectivity == 8)
        else:
            regions = numbered_labels(labels, self.background_label)
        boundary = boundary_weights_forward(regions, self.w0, self.sigma)
        return boundary if self.everywhere else boundary * background

"""Contrastive losses: what belongs together is pulled together, the rest pushed apart up to a margin.

From the two branches of a siamese net, with 1 for pairs that belong together and 0 for others:

    layer {
      name: "loss"  type: "Python"  bottom: "feat"  bottom: "feat_p"  bottom: "sim"  top: "loss"  loss_weight: 1
      python_param {
        module: "caffe_pylayers.contrastive"  layer: "ContrastiveLoss"  param_str: "{'margin': 1}"
      }
    }

From all pairs of a batch, by its labels:

    layer {
      name: "loss"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "loss"  loss_weight: 1
      python_param {
        module: "caffe_pylayers.contrastive"  layer: "LabelContrastiveLoss"  param_str: "{'margin': 1}"
      }
    }
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.embeddings.distances import (
    lengths_backward,
    lengths_forward,
    pairwise_backward,
    pairwise_squares,
    root_backward,
)
from caffe_pylayers._layer.embeddings.embedding_loss import EmbeddingLoss
from caffe_pylayers._layer.embeddings.rows import check_same_rows, pairs_of
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer
from caffe_pylayers._layer.losses.weighted_loss import WeightedLoss, weighted_normalization

__all__ = ["ContrastiveLoss", "LabelContrastiveLoss", "contrastive_backward", "contrastive_forward"]


def contrastive_forward(xp, squares, y, margin=1.0, legacy=False):
    """Return (y d**2 + (1 - y) max(0, margin - d)**2) / 2 for each pair, y being 1 where it belongs together, else 0.

    legacy: max(0, margin - d**2) in place of the other square.
    squares: d**2, the squared distances of the pairs.
    """
    if legacy:
        apart = (margin - squares).clip(0, None)
    else:
        apart = (margin - xp.sqrt(squares)).clip(0, None)
        apart *= apart
    return (apart + y * (squares - apart)) / 2


def contrastive_backward(xp, squares, y, margin=1.0, legacy=False):
    """Return the gradient of each term with respect to the square; where d = 0, y / 2."""
    if legacy:
        apart = -arrays.astype(squares < margin, squares)
    else:
        distances = xp.sqrt(squares)
        apart = root_backward(xp, distances, -2 * (margin - distances).clip(0, None))
    return (apart + y * (1 - apart)) / 2


class ContrastiveLoss(WeightedLoss):
    """Pairs that belong together are pulled together, others pushed apart up to a margin.

    loss = sum(w (y d**2 + (1 - y) max(0, margin - d)**2)) / (2 Z), with d = |a - b|.

    Bottom:
        [0] a (N, ...), whose values after the first axis make the vector
        [1] b, the shape of a
        [2] y (N,), (N, 1) or (N, 1, 1, 1): 1 for a pair that belongs together, 0 for one that does not
        [3] weights w (N,), optional: one for each pair. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        d_a = g w (a - b) / Z for y = 1, -g w (margin - d) (a - b) / (d Z) for y = 0 and d < margin, else 0;
        d_b = -d_a; d_w = g term / Z; with g = top[0].diff[0]. Where d = 0 it is 0. Zeros to y.
    Raises:
        ValueError for shapes that do not fit, and for y that is neither 0, 1 nor ignore_label.
    References:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
        http://yann.lecun.com/exdb/publis/pdf/hadsell-chopra-lecun-06.pdf. Caffe's ContrastiveLoss, loss and
        gradients, with its parameters' names; Caffe divides by d + 1e-4 in the gradient, has a top (), and takes
        any y other than 0 for 1.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> pairs = [[[0, 0], [0, 0]], [[3, 4], [0, 0.5]], [1, 0]]
        >>> LayerRun(ContrastiveLoss, pairs).forward()[0]  # (5**2 + 0.5**2) / (2 * 2)
        array([6.3125])
    """

    weights_at = 3

    margin = Parameter(float, 1.0, low=0, doc="distance from which pairs that do not belong together cost nothing")
    legacy_version = Parameter(bool, False, doc="max(0, margin - d**2) in place of max(0, margin - d)**2")
    ignore_label = Parameter(int, None, doc="pairs with this y take no part")
    normalization = weighted_normalization("batch")

    def plan(self, a, b, y, weights=None):
        self._shape = check_same_rows(self, a=a, b=b)
        checks.one_label_each(self, "bottom[2] (y)", y.shape, "bottom[0] (a)", self._shape, 1)
        self.plan_positions(self._shape[0], self._shape[:1], weights, "bottom[0] (a), without its vectors,")
        self._two = arrays.arange_like(a, 2)
        return [(1,)]

    def read(self, bottom):
        y, valid = checks.class_labels(self, bottom[2].data, self._two, self.ignore_label)
        return arrays.astype(y, self._two), None if valid is None else arrays.astype(valid, self._two)

    def losses(self, bottom, target):
        a, b = (bottom[i].data.reshape(self._shape) for i in range(2))
        self._difference = a - b
        self._squares = lengths_forward(self.xp, self._difference, True)
        return contrastive_forward(self.xp, self._squares, target, self.margin, self.legacy_version)

    def gradient(self, bottom, target, scale, propagate_down):
        if propagate_down[0] or propagate_down[1]:
            d_squares = contrastive_backward(self.xp, self._squares, target, self.margin, self.legacy_version) * scale
            for i, sign in enumerate((1, -1)):
                if propagate_down[i]:
                    d_x = bottom[i].diff.reshape(self._shape)
                    lengths_backward(self.xp, self._difference, self._squares, d_squares * sign, True, d_x)
        if propagate_down[2]:
            arrays.fill(bottom[2].diff, 0)


class LabelContrastiveLoss(EmbeddingLoss):
    """ContrastiveLoss of all pairs of a batch: equal labels belong together.

    loss = sum over i < j of (y d**2 + (1 - y) max(0, margin - d)**2) / (2 Z), with d = |x_i - x_j| and y = 1 where
    the labels are equal.

    Bottom:
        [0] features x (N, ...), whose values after the first axis make the vector
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): equal ones belong together
    Top:
        [0] loss (1,); 0 for a batch of one
    Backward:
        As ContrastiveLoss's, each sample's summed over its pairs; zeros to the labels.
    Raises:
        ValueError for another number of labels than features, and for labels that are not finite.
    References:
        Hadsell et al., 2006, see ContrastiveLoss; all pairs of a batch as in Sun et al., "Deep Learning Face
        Representation by Joint Identification-Verification", 2014, arXiv:1406.4773.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(LabelContrastiveLoss, [[[0.0], [1.0], [1.5]], [7, 7, 8]]).forward()[0]  # (1 + 0.5**2) / (2 * 3)
        array([0.20833333])
    """

    margin = Parameter(float, 1.0, low=0, doc="distance from which samples of two labels cost nothing")
    legacy_version = Parameter(bool, False, doc="max(0, margin - d**2) in place of max(0, margin - d)**2")
    normalization = normalization("full", full="all pairs", valid="those without ignore_label")

    def loss(self, features, labels):
        xp, n = self.xp, len(labels)
        self._features, self._squares = features, pairwise_squares(xp, features)
        same, different = pairs_of(self, labels)
        self._y, self._counts = arrays.astype(~different, features), None
        terms = contrastive_forward(xp, self._squares, self._y, self.margin, self.legacy_version)
        pairs = valid = n * (n - 1) // 2
        if self.ignore_label is not None:
            counts = same | different
            self._counts, valid = arrays.astype(counts, features), arrays.count_true(counts) // 2
            terms *= self._counts
        self._normalizer = normalizer(self.normalization, n, pairs, valid)
        return terms.sum() / (2 * self._normalizer)

    def gradient(self, scale, d_features):
        d_squares = contrastive_backward(self.xp, self._squares, self._y, self.margin, self.legacy_version)
        if self._counts is not None:
            d_squares *= self._counts
        d_squares *= scale / (2 * self._normalizer)
        pairwise_backward(self.xp, self._features, d_squares, d_features)

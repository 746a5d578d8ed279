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
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.embeddings.distances import pairwise_backward, pairwise_squares, root_backward
from caffe_pylayers._layer.embeddings.embedding_loss import EmbeddingLoss, pairs_by_label, rows_of
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = ["ContrastiveLoss", "LabelContrastiveLoss", "contrastive_backward", "contrastive_forward"]


def contrastive_forward(xp, squares, similar, different, margin=1.0, legacy=False):
    """Return the terms d**2 / 2 of similar pairs and max(0, margin - d)**2 / 2 of different ones.

    legacy: max(0, margin - d**2) / 2 of different ones.
    squares: d**2, the squared distances of the pairs.
    similar, different: booleans shaped like squares; a pair that is neither has the term 0.
    """
    apart = (margin - (squares if legacy else xp.sqrt(squares))).clip(0, None)
    return (squares * similar + (apart if legacy else apart * apart) * different) / 2


def contrastive_backward(xp, squares, similar, different, margin=1.0, legacy=False):
    """Return the gradient of the terms' sum with respect to the squares; of d = 0 it is that of similar pairs alone."""
    if legacy:
        apart = -arrays.astype(squares < margin, squares)
    else:
        distances = xp.sqrt(squares)
        apart = root_backward(distances, -2 * (margin - distances).clip(0, None))
    return (apart * different + similar) / 2


class ContrastiveLoss(Layer):
    """Pairs that belong together are pulled together, others pushed apart up to a margin.

    loss = sum(y d**2 + (1 - y) max(0, margin - d)**2) / (2 Z), with d = |a - b|.

    Bottom:
        [0] a (N, ...), whose values after the first axis make the vector
        [1] b, the shape of a
        [2] y (N,), (N, 1) or (N, 1, 1, 1): 1 for a pair that belongs together, 0 for one that does not
    Top:
        [0] loss (1,)
    Backward:
        d_a = g (a - b) / Z for y = 1, -g (margin - d) (a - b) / (d Z) for y = 0 and d < margin, else 0; d_b = -d_a,
        with g = top[0].diff[0]. Where d = 0 it is 0. Zeros to y.
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

    array_api = True

    margin = Parameter(float, 1.0, low=0, doc="distance from which pairs that do not belong together cost nothing")
    legacy_version = Parameter(bool, False, doc="max(0, margin - d**2) in place of max(0, margin - d)**2")
    ignore_label = Parameter(int, None, doc="pairs with this y take no part")
    normalization = normalization("batch", valid="the pairs without ignore_label")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def plan(self, a, b, y):
        self._shape = rows_of(self, "bottom[0] (a)", a.shape)
        checks.same_shape(self, "bottom[1] (b)", b.shape, "a", a.shape)
        checks.one_label_each(self, "bottom[2] (y)", y.shape, "bottom[0] (a)", self._shape, 1)
        self._difference = self.xp.empty_like(a.reshape(self._shape))
        return [(1,)]

    def forward(self, bottom, top):
        y, valid = checks.class_labels(self, bottom[2].data, 2, self.ignore_label)
        self._similar, self._different = y == 1, y == 0
        if valid is not None:
            self._different &= valid
        a, b = (bottom[i].data.reshape(self._shape) for i in range(2))
        self.xp.subtract(a, b, out=self._difference)
        self._squares = (self._difference * self._difference).sum(1)
        terms = contrastive_forward(
            self.xp, self._squares, self._similar, self._different, self.margin, self.legacy_version
        )
        count = len(y) if valid is None else int(valid.sum())
        self._normalizer = normalizer(self.normalization, len(y), len(y), count)
        top[0].data[...] = terms.sum() / self._normalizer

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0] or propagate_down[1]:
            d_squares = contrastive_backward(
                self.xp, self._squares, self._similar, self._different, self.margin, self.legacy_version
            )
            slopes = (2 * top[0].diff[0] / self._normalizer) * d_squares
            for i, sign in enumerate((1, -1)):
                if propagate_down[i]:
                    d_x = bottom[i].diff.reshape(self._shape)
                    self.xp.multiply(self._difference, arrays.astype(sign * slopes[:, None], d_x), out=d_x)
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
        ValueError for another number of labels than features.
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
        self._features, self._squares = features, pairwise_squares(self.xp, features)
        self._pairs = same, different = pairs_by_label(labels, self.ignore_label)
        terms = contrastive_forward(self.xp, self._squares, same, different, self.margin, self.legacy_version)
        pairs, valid = len(labels) * (len(labels) - 1) // 2, int((same | different).sum()) // 2
        self._normalizer = normalizer(self.normalization, len(labels), pairs, valid)
        return terms.sum() / (2 * self._normalizer)

    def gradient(self, scale, d_features):
        d_squares = contrastive_backward(self.xp, self._squares, *self._pairs, self.margin, self.legacy_version)
        d_squares *= scale / (2 * self._normalizer)
        pairwise_backward(self.xp, self._features, d_squares, d_features)

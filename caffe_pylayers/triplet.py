"""Triplets: an anchor is to be nearer to its positive than to its negative.

From three branches of a net, or from triplets that TripletSelection finds in a batch:

    layer {
      name: "select"  type: "Python"  bottom: "embedding"  bottom: "label"
      top: "anchor"  top: "positive"  top: "negative"  top: "is_triplet"
      python_param {
        module: "caffe_pylayers.triplet"  layer: "TripletSelection"
        param_str: "{'strategy': 'semi_hard'}"
      }
    }
    layer {
      name: "loss"  type: "Python"  bottom: "anchor"  bottom: "positive"  bottom: "negative"  bottom: "is_triplet"
      top: "loss"  loss_weight: 1
      python_param {
        module: "caffe_pylayers.triplet"  layer: "TripletLoss"  param_str: "{'margin': 0.2, 'normalization': 'valid'}"
      }
    }

Both as one, which gathers no triplets:

    layer {
      name: "loss"  type: "Python"  bottom: "embedding"  bottom: "label"  top: "loss"  loss_weight: 1
      python_param {
        module: "caffe_pylayers.triplet"  layer: "BatchTripletLoss"
        param_str: "{'strategy': 'batch_hard', 'soft_margin': true, 'distance': 'euclidean'}"
      }
    }
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.embeddings.distances import pairwise_backward, pairwise_squares, root_backward
from caffe_pylayers._layer.embeddings.embedding_loss import (
    EmbeddingLoss,
    check_rows,
    pairs_by_label,
    rows_of,
    without_ignored,
)
from caffe_pylayers._layer.embeddings.triplets import (
    STRATEGIES,
    AllTriplets,
    hinge,
    select_triplets,
    soft_hinge,
)
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = [
    "BatchTripletLoss",
    "TripletLoss",
    "TripletSelection",
    "triplet_loss_backward",
    "triplet_loss_forward",
]

DISTANCES = ("squared", "euclidean")


def triplet_loss_forward(xp, anchors, positives, negatives, margin=0.2, squared=True):
    """Return (terms, slopes): max(0, margin + d(a, p) - d(a, n)) for each triplet, and its slopes for backward.

    margin: None for log(1 + exp(d(a, p) - d(a, n))).
    squared: d = |x - y|**2, else |x - y|.
    """
    ap, an = ((anchors - positives) ** 2).sum(1), ((anchors - negatives) ** 2).sum(1)
    if not squared:
        ap, an = xp.sqrt(ap), xp.sqrt(an)
    terms, slopes = soft_hinge(xp, ap - an) if margin is None else hinge(ap - an, margin)
    if squared:
        return terms, (slopes, slopes)
    return terms, (root_backward(ap, slopes), root_backward(an, slopes))


def triplet_loss_backward(anchors, positives, negatives, slopes, scale):
    """Return (d_anchors, d_positives, d_negatives), with a scale for each triplet, (T, 1), or for all."""
    near, far = (2 * slope[:, None] * scale for slope in slopes)
    d_positives = (positives - anchors) * near
    d_negatives = (anchors - negatives) * far
    return -d_positives - d_negatives, d_positives, d_negatives


class TripletLoss(Layer):
    """Hinge on how much farther the negative is than the positive, from given triplets.

    loss = sum(w max(0, margin + d(a, p) - d(a, n))) / Z, or with soft_margin
    loss = sum(w log(1 + exp(d(a, p) - d(a, n)))) / Z, with d(x, y) = |x - y|**2 or |x - y|.

    Bottom:
        [0] anchors a (N, ...), whose values after the first axis make the vector
        [1] positives p, the shape of a
        [2] negatives n, the shape of a
        [3] weights w (N,), optional: one for each triplet, such as TripletSelection's top[3]. Default: 1
    Top:
        [0] loss (1,)
    Backward:
        Of each triplet whose term is not 0, for the squares: d_a = 2 g w (n - p) / Z, d_p = 2 g w (p - a) / Z,
        d_n = 2 g w (a - n) / Z, with g = top[0].diff[0]. A distance of 0 has a gradient of 0. d_w = g term / Z.
    Raises:
        ValueError for shapes that do not fit.
    References:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", 2015,
        arXiv:1503.03832. With distance euclidean it is torch.nn.functional.triplet_margin_loss with eps 0. Forks'
        TripletLoss and published ones that divide by 2 N are this with loss_weight: 0.5.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(TripletLoss, [[[0, 0]], [[1, 0]], [[0, 1]]], param_str='{"margin": 0.5}')
        >>> run.forward()[0]
        array([0.5])
    """

    array_api = True

    margin = Parameter(float, 0.2, low=0, doc="by which the negative is to be farther, in units of the distance")
    distance = Parameter(str, "squared", choices=DISTANCES, doc="d: the square of the Euclidean distance, or itself")
    soft_margin = Parameter(bool, False, doc="log(1 + exp(.)) in place of the hinge; margin is not used then")
    normalization = normalization("batch", valid="the triplets with w * term other than 0")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def plan(self, anchors, positives, negatives, weights=None):
        self._shape = rows_of(self, "bottom[0] (anchors)", anchors.shape)
        for i, name, other in (1, "positives", positives), (2, "negatives", negatives):
            checks.same_shape(self, f"bottom[{i}] ({name})", other.shape, "bottom[0] (anchors)", anchors.shape)
        if weights is not None:
            names = "bottom[3] (weights)", "bottom[0] (anchors)"
            checks.one_label_each(self, names[0], weights.shape, names[1], self._shape, 1)
        return [(1,)]

    def forward(self, bottom, top):
        margin = None if self.soft_margin else self.margin
        anchors, positives, negatives = (bottom[i].data.reshape(self._shape) for i in range(3))
        self._terms, self._slopes = triplet_loss_forward(
            self.xp, anchors, positives, negatives, margin, self.distance == "squared"
        )
        weighted = self._terms * bottom[3].data.reshape(-1) if len(bottom) > 3 else self._terms
        valid = int((weighted != 0).sum()) if self.normalization == "valid" else 0
        self._normalizer = normalizer(self.normalization, len(weighted), len(weighted), valid)
        top[0].data[...] = weighted.sum() / self._normalizer

    def backward(self, top, propagate_down, bottom):
        scale = top[0].diff[0] / self._normalizer
        if len(bottom) > 3 and propagate_down[3]:
            bottom[3].diff[...] = (self._terms * scale).reshape(tuple(bottom[3].diff.shape))
        if any(propagate_down[i] for i in range(3)):
            if len(bottom) > 3:
                scale = scale * bottom[3].data.reshape(-1, 1)
            anchors, positives, negatives = (bottom[i].data.reshape(self._shape) for i in range(3))
            gradients = triplet_loss_backward(anchors, positives, negatives, self._slopes, scale)
            for i, d_triplet in enumerate(gradients):
                if propagate_down[i]:
                    bottom[i].diff[...] = d_triplet.reshape(tuple(bottom[i].diff.shape))


class TripletSelection(Layer):
    """Triplets of a batch, found by its labels and distances.

    (a, p, n) with label a = label p, a != p, label a != label n; which of them, says the strategy.

    Bottom:
        [0] features (N, ...), whose values after the first axis make the vector
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): equal ones belong together
    Top:
        [0] anchors (T, ...), shaped like features but for the number T, which each forward finds
        [1] positives (T, ...)
        [2] negatives (T, ...)
        [3] is_triplet (T,), optional: 1, for TripletLoss's weights. A batch without any triplet gives T = 1: zeros
            in all tops, to which no gradient flows; with is_triplet TripletLoss is 0 then, without it its margin.
    Backward:
        The rows' gradients, added up where they came from. None through the choice itself, nor to the labels.
    Raises:
        ValueError for another number of labels than features.
    References:
        all, hard, semi_hard: Schroff et al., "FaceNet", 2015, arXiv:1503.03832, semi_hard with TensorFlow's
        farthest negative where none is farther than the positive; batch_hard: Hermans, Beyer, Leibe, "In Defense
        of the Triplet Loss for Person Re-Identification", 2017, arXiv:1703.07737. FaceNet's own semi-hard triplets
        are only_semi_hard with its margin. Published as TripletSelectLayer: those that take the batch's order for
        its labels, an anchor's positives first, find here what the labels say.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(TripletSelection, [[[0.], [1.], [5.]], [7, 7, 8]], tops=3)
        >>> [top.ravel().tolist() for top in run.forward()]
        [[0.0, 1.0], [1.0, 0.0], [5.0, 5.0]]
    """

    array_api = True

    strategy = Parameter(
        str,
        "semi_hard",
        choices=STRATEGIES,
        doc="all: each positive pair with each negative; hard: with the nearest one; semi_hard: with the nearest one "
        "farther than the positive, or else the farthest; only_semi_hard: without the pairs that have none farther; "
        "batch_hard: each anchor's farthest positive and nearest negative",
    )
    margin = Parameter(
        float, None, low=0, doc="keeps only triplets with d(a, n) < d(a, p) + margin, d as distance says; default: all"
    )
    distance = Parameter(str, "squared", choices=DISTANCES, doc="d that margin is compared with")
    ignore_label = Parameter(int, None, doc="samples with this label take no part")

    def setup(self, bottom, top):
        checks.tops(self, top, "anchors", "positives", "negatives", "is_triplet", optional=1)

    def plan(self, features, labels):
        self._shape = check_rows(self, features, labels)
        row = (1, *features.shape[1:])
        return row, row, row, (1,)

    def forward(self, bottom, top):
        features, labels = bottom[0].data, bottom[1].data.reshape(-1)
        self._chosen = self._select(features.reshape(self._shape), labels)
        count = len(self._chosen[0])
        for i in range(3):
            top[i].reshape(max(count, 1), *map(int, features.shape[1:]))
            top[i].data[...] = features[self._chosen[i]] if count else 0
        if len(top) > 3:
            top[3].reshape(max(count, 1))
            top[3].data[...] = 1 if count else 0

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            arrays.fill(bottom[0].diff, 0)
            for i in range(3 if len(self._chosen[0]) else 0):
                arrays.add_rows(bottom[0].diff, self._chosen[i], top[i].diff)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def _select(self, features, labels):
        distances = pairwise_squares(self.xp, without_ignored(features, labels, self.ignore_label))
        same, different = pairs_by_label(labels, self.ignore_label)
        anchors, positives, negatives = select_triplets(self.xp, self.strategy, distances, same, different)
        if self.margin is None:
            return anchors, positives, negatives
        if self.distance == "euclidean":
            distances = self.xp.sqrt(distances)
        kept = distances[anchors, negatives] < distances[anchors, positives] + self.margin
        return anchors[kept], positives[kept], negatives[kept]


class BatchTripletLoss(EmbeddingLoss):
    """TripletLoss on the triplets that TripletSelection finds in a batch, without gathering them.

    loss = sum(max(0, margin + d(a, p) - d(a, n))) / Z over the triplets that the strategy finds, or with soft_margin
    the sum of log(1 + exp(d(a, p) - d(a, n))). All N**3 triplets take the time of sorting N rows.

    Bottom:
        [0] features (N, ...), whose values after the first axis make the vector
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): equal ones belong together
    Top:
        [0] loss (1,); 0 for a batch without triplets
    Backward:
        As TripletLoss's, with the choice of triplets held fixed; zeros to the labels.
    Raises:
        ValueError for another number of labels than features, and for soft_margin with the strategy all.
    References:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017, arXiv:1703.07737:
        batch_hard with soft_margin and distance euclidean; their "batch all" that leaves out zeros is strategy all
        with normalization valid. semi_hard is TensorFlow's triplet_semihard_loss. FaceNet: arXiv:1503.03832.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(BatchTripletLoss, [[[0.], [1.], [3.]], [7, 7, 8]], param_str='{"margin": 5}')
        >>> run.forward()[0]  # triplets (0, 1, 2) and (1, 0, 2): max(0, 5 + 1 - 9) and 5 + 1 - 4
        array([1.])
    """

    strategy = Parameter(str, "batch_hard", choices=STRATEGIES, doc="which triplets, as TripletSelection finds them")
    margin = Parameter(float, 0.2, low=0, doc="by which the negative is to be farther, in units of the distance")
    distance = Parameter(str, "squared", choices=DISTANCES, doc="d: the square of the Euclidean distance, or itself")
    soft_margin = Parameter(bool, False, doc="log(1 + exp(.)) in place of the hinge; margin is not used then")
    normalization = normalization("full", full="the triplets", valid="those whose term is not 0")

    def setup(self, bottom, top):
        super().setup(bottom, top)
        if self.soft_margin and self.strategy == "all":
            raise checks.error(self, "soft_margin needs one negative for each pair: another strategy than all")

    def loss(self, features, labels):
        self._features = features
        self._distances = pairwise_squares(self.xp, features)
        if self.distance == "euclidean":
            self._distances = self.xp.sqrt(self._distances)
        same, different = pairs_by_label(labels, self.ignore_label)
        if self.strategy == "all":
            self._all = AllTriplets(self.xp, self._distances, same, different, self.margin)
            total, count, valid = self._all.loss, self._all.count, self._all.active
        else:
            total, count, valid = self._loss_of_selected(same, different)
        self._normalizer = normalizer(self.normalization, len(features), count, valid)
        return total / self._normalizer

    def gradient(self, scale, d_features):
        scale = scale / self._normalizer
        all_ = self.strategy == "all"
        d_distances = self._all.d_distances() * scale if all_ else self._gradient_of_selected(scale)
        if self.distance == "euclidean":
            d_distances = root_backward(self._distances, d_distances)
        pairwise_backward(self.xp, self._features, d_distances, d_features)

    def _loss_of_selected(self, same, different):
        chosen = select_triplets(self.xp, self.strategy, self._distances, same, different)
        self._anchors, self._positives, self._negatives = chosen
        differences = self._distances[self._anchors, self._positives] - self._distances[self._anchors, self._negatives]
        terms, self._slopes = soft_hinge(self.xp, differences) if self.soft_margin else hinge(differences, self.margin)
        return terms.sum(), len(terms), int((terms != 0).sum())

    def _gradient_of_selected(self, scale):
        d_distances = self.xp.zeros_like(self._distances)
        slopes, rows = self._slopes * scale, self._anchors * len(d_distances)
        arrays.add_rows(d_distances.reshape(-1), rows + self._positives, slopes)
        arrays.add_rows(d_distances.reshape(-1), rows + self._negatives, -slopes)
        return d_distances

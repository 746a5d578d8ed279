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
        module: "caffe_pylayers.triplet"  layer: "TripletLoss"  param_str: "{'margin': 0.2, 'normalization': 'active'}"
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
from caffe_pylayers._layer.embeddings.distances import (
    lengths_backward,
    lengths_forward,
    pairwise_backward,
    pairwise_squares,
    root_backward,
)
from caffe_pylayers._layer.embeddings.embedding_loss import EmbeddingLoss
from caffe_pylayers._layer.embeddings.rows import (
    check_rows,
    check_same_rows,
    pairs_of,
    ranked_features,
    without_ignored,
)
from caffe_pylayers._layer.embeddings.triplets import STRATEGIES, AllTriplets, select_triplets
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer
from caffe_pylayers._layer.losses.weighted_loss import WeightedLoss, weighted_normalization

__all__ = [
    "BatchTripletLoss",
    "TripletLoss",
    "TripletSelection",
    "select_triplets",
    "triplet_loss_backward",
    "triplet_loss_forward",
]

DISTANCES = ("squared", "euclidean")


def triplet_loss_forward(xp, ap, an, margin=0.2):
    """Return max(0, margin + d(a, p) - d(a, n)) of each triplet; for a margin of None log(1 + exp(d(a, p) - d(a, n))).

    ap, an: the distances d(a, p) and d(a, n).
    """
    return softplus(xp, ap - an) if margin is None else (ap - an + margin).clip(0, None)


def triplet_loss_backward(xp, ap, an, margin=0.2):
    """Return the gradient of each term with respect to d(a, p); that to d(a, n) is its negative."""
    return sigmoid(xp, ap - an) if margin is None else arrays.astype(ap - an + margin > 0, ap)


class TripletLoss(WeightedLoss):
    """Hinge on how much farther the negative is than the positive, from given triplets.

    loss = sum(w max(0, margin + d(a, p) - d(a, n))) / Z, or with soft_margin
    loss = sum(w log(1 + exp(d(a, p) - d(a, n)))) / Z, with d(x, y) = |x - y|**2 or |x - y|; with half, half of it.

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
        TripletLoss, caffe-windows' among them, and published ones that divide by 2 N are this with half.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(TripletLoss, [[[0, 0]], [[1, 0]], [[0, 1]]], param_str='{"margin": 0.5}')
        >>> run.forward()[0]
        array([0.5])
    """

    weights_at = 3

    margin = Parameter(float, 0.2, low=0, doc="by which the negative is to be farther, in units of the distance")
    distance = Parameter(str, "squared", choices=DISTANCES, doc="d: the square of the Euclidean distance, or itself")
    soft_margin = Parameter(bool, False, doc="log(1 + exp(.)) in place of the hinge; margin is not used then")
    half = Parameter(bool, False, doc="half of the loss, whose gradients are then differences of two vectors alone")
    normalization = weighted_normalization("batch", active="the triplets with w * term other than 0")

    def plan(self, anchors, positives, negatives, weights=None):
        self._shape = check_same_rows(self, anchors=anchors, positives=positives, negatives=negatives)
        self.plan_positions(self._shape[0], self._shape[:1], weights, "bottom[0] (anchors), without its vectors,")
        return [(1,)]

    def read(self, bottom):
        return None, None

    def losses(self, bottom, target):
        anchors, positives, negatives = (bottom[i].data.reshape(self._shape) for i in range(3))
        self._near, self._far, self._factor = anchors - positives, anchors - negatives, 0.5 if self.half else 1
        self._margin, squared = None if self.soft_margin else self.margin, self.distance == "squared"
        self._ap, self._an = (lengths_forward(self.xp, vectors, squared) for vectors in (self._near, self._far))
        return triplet_loss_forward(self.xp, self._ap, self._an, self._margin) * self._factor

    def gradient(self, bottom, target, scale, propagate_down):
        if not any(propagate_down[i] for i in range(3)):
            return
        xp, squared = self.xp, self.distance == "squared"
        d_ap = triplet_loss_backward(xp, self._ap, self._an, self._margin) * (scale * self._factor)
        d_positives, d_negatives = (
            lengths_backward(xp, vectors, lengths, d_lengths, squared)
            for vectors, lengths, d_lengths in ((self._near, self._ap, -d_ap), (self._far, self._an, d_ap))
        )
        for i, d_x in enumerate((-(d_positives + d_negatives), d_positives, d_negatives)):
            if propagate_down[i]:
                bottom[i].diff[...] = d_x.reshape(bottom[i].diff.shape)

    def normalizer(self, target, valid, weights):
        if self.normalization != "active":
            return super().normalizer(target, valid, weights)
        return arrays.at_least_one(self.count_of(self._losses != 0, weights))


class TripletSelection(Layer):
    """Triplets of a batch, found by its labels and distances.

    (a, p, n) with label a = label p, a != p, label a != label n; which of them, says the strategy: all of them, or, by
    hard mining, those of hard or semi-hard negatives, or the hardest triplet of each anchor.

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
        ValueError for another number of labels than features, for features that are not finite, and for labels that
        are not finite.
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
        features = ranked_features(self, without_ignored(features, labels, self.ignore_label))
        distances = pairwise_squares(self.xp, features)
        anchors, positives, negatives = select_triplets(self.xp, self.strategy, distances, *pairs_of(self, labels))
        if self.margin is None:
            return anchors, positives, negatives
        if self.distance == "euclidean":
            distances = self.xp.sqrt(distances)
        kept = distances[anchors, negatives] < distances[anchors, positives] + self.margin
        return anchors[kept], positives[kept], negatives[kept]


class BatchTripletLoss(EmbeddingLoss):
    """TripletLoss on the triplets that TripletSelection finds in a batch, without gathering them.

    loss = sum(max(0, margin + d(a, p) - d(a, n))) / Z over the triplets that the strategy finds, or with soft_margin
    the sum of log(1 + exp(d(a, p) - d(a, n))). All N**3 triplets take the time of sorting N rows; the other strategies
    are hard mining within the batch: hard and semi-hard negatives, or the hardest triplet of each anchor.

    Bottom:
        [0] features (N, ...), whose values after the first axis make the vector
        [1] labels (N,), (N, 1) or (N, 1, 1, 1): equal ones belong together
    Top:
        [0] loss (1,); 0 for a batch without triplets
    Backward:
        As TripletLoss's, with the choice of triplets held fixed; zeros to the labels.
    Raises:
        ValueError for another number of labels than features, for features that are not finite, for labels that are
        not finite, and for soft_margin with the strategy all.
    References:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017, arXiv:1703.07737:
        batch_hard with soft_margin and distance euclidean; their "batch all" that leaves out zeros is strategy all
        with normalization active. semi_hard is TensorFlow's triplet_semihard_loss. FaceNet: arXiv:1503.03832.
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
    normalization = normalization("full", full="the triplets", valid=None, more={"active": "those whose term is not 0"})

    def setup(self, bottom, top):
        super().setup(bottom, top)
        if self.soft_margin and self.strategy == "all":
            raise checks.error(self, "soft_margin needs one negative for each pair: another strategy than all")

    def loss(self, features, labels):
        self._features = ranked_features(self, features)
        self._distances = pairwise_squares(self.xp, features)
        if self.distance == "euclidean":
            self._distances = self.xp.sqrt(self._distances)
        same, different = pairs_of(self, labels)
        loss = self._loss_of_all if self.strategy == "all" else self._loss_of_selected
        total, count, active = loss(same, different)
        self._normalizer = normalizer(self.normalization, len(features), count, active=active)
        return total / self._normalizer

    def gradient(self, scale, d_features):
        d_distances = self._all.d_distances() if self.strategy == "all" else self._gradient_of_selected()
        d_distances *= scale / self._normalizer
        if self.distance == "euclidean":
            d_distances = root_backward(self.xp, self._distances, d_distances)
        pairwise_backward(self.xp, self._features, d_distances, d_features)

    def _loss_of_all(self, same, different):
        self._all = AllTriplets(self.xp, self._distances, same, different, self.margin)
        return self._all.loss, self._all.count, self._all.active

    def _loss_of_selected(self, same, different):
        anchors, positives, negatives = select_triplets(self.xp, self.strategy, self._distances, same, different)
        rows = anchors * len(self._distances)
        self._chosen = rows + positives, rows + negatives
        self._ap, self._an = (self._distances.reshape(-1)[places] for places in self._chosen)
        self._margin = None if self.soft_margin else self.margin
        terms = triplet_loss_forward(self.xp, self._ap, self._an, self._margin)
        active = int(self.xp.count_nonzero(terms)) if self.normalization == "active" else 0
        return terms.sum(), len(terms), active

    def _gradient_of_selected(self):
        d_distances = self.xp.zeros_like(self._distances)
        d_ap = triplet_loss_backward(self.xp, self._ap, self._an, self._margin)
        for places, d_each in zip(self._chosen, (d_ap, -d_ap)):
            arrays.add_at(d_distances.reshape(-1), places, d_each)
        return d_distances

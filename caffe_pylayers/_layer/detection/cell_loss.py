"""The base of losses of what a map predicts at its cells: boxes, what is an object, and its class."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.detection import cell_labels
from caffe_pylayers._layer.detection.box_similarity import box_similarities, box_similarity_forward
from caffe_pylayers._layer.detection.cell_boxes import check_map, decode_cells, encode_cells, pairs
from caffe_pylayers._layer.functions.sigmoid import sigmoid, softplus
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = ["CellLoss", "Matches", "linear_errors", "sigmoid_errors"]


def sigmoid_errors(scores: Any, targets: Any, scale: Any, squared: bool = False) -> Any:
    """Return (loss, errors, d_scores): of p = sigmoid(scores) the cross entropy, or half the squared error.

    loss is the sum of scale times that; errors = scale (p - targets).
    """
    p = sigmoid(np, scores)
    wrong = p - targets
    if squared:
        return (scale * wrong * wrong).sum() / 2, scale * wrong, scale * wrong * p * (1 - p)
    return (scale * (softplus(np, scores) - targets * scores)).sum(), scale * wrong, scale * wrong


def linear_errors(values: Any, targets: Any, scale: Any) -> Any:
    """Return (loss, d_values): the sum of scale / 2 (values - targets)**2, and scale (values - targets)."""
    wrong = values - targets
    return (scale * wrong * wrong).sum() / 2, scale * wrong


class Matches(NamedTuple):
    """Truths that are to be found, M of them, in an order in which later ones may take the place of earlier ones.

    t: what the map holds there (M, 5 + C). anchors: (M, 2). cells: column and row (M, 2). boxes: (M, 4).
    classes: (M,). place: (M,), which of the U anchors at cells it is. first, last: the first and the last match (U,).
    """

    t: Any
    anchors: Any
    cells: Any
    boxes: Any
    classes: Any
    place: Any
    first: Any
    last: Any


class CellLoss(Layer):
    """A loss of t_x, t_y, t_w, t_h, object and classes of A anchors at each cell of a map (N, A (5 + C), H, W).

    Where no truth is to be found, an object is an error, unless its box is more like a truth than thresh. A subclass
    has:

        def matched(self, labels, t, row, column):    # return (truth, anchor): which truths are to be found by which
        def found(self, matches):    # add to the loss; return the gradient (U, 5 + C), how like the boxes are (M,)
        def probabilities(self, scores):    # return the classes' (M, C)
    """

    num_classes = Parameter(int, low=1, doc="C, without background")
    anchors = Parameter([float], above=0, length=(2, None), doc="width and height of each anchor in turn")
    thresh = Parameter(float, 0.6, doc="a box that is more like a truth than this may be an object")
    coord_scale = Parameter(float, 1.0, low=0, doc="factor of the boxes' errors")
    object_scale = Parameter(float, 1.0, low=0, doc="factor of the error where an object is")
    noobject_scale = Parameter(float, 1.0, low=0, doc="factor of the error where none is")
    class_scale = Parameter(float, 1.0, low=0, doc="factor of the classes' errors")
    normalization = normalization("batch", full="N A H W", valid="the truths found, once for each anchor")
    legacy_version = Parameter(bool, False, doc="the loss is what MobileNet-YOLO's Caffe reports")

    mask: Any = ()
    similarity, power = "iou", 1.0  # box_similarity_forward's
    squared = True  # what is under a sigmoid has squared errors
    reports_gradient = True  # MobileNet-YOLO's loss is the sum of squares of the gradient; False: without the sigmoids'

    def setup(self, bottom: Any, top: Any) -> None:
        checks.tops(self, top, "loss", "scores", optional=1)
        self._all = pairs(self, "anchors")
        self._mask = np.array(self.mask or range(len(self._all)))
        if self._mask.max() >= len(self._all):
            raise checks.error(self, f"mask must name some of {len(self._all)} anchors, got {list(self.mask)}")

    def plan(self, maps: Any, labels: Any) -> Any:
        self._view = check_map(self, "bottom[0] (map)", maps.shape, len(self._mask), 5 + self.num_classes)
        height, width = self._view[3:]
        self._grid, self._image = (width, height), self.image(width, height)
        self._sizes = self._all.astype(maps.dtype)
        self._cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(maps.dtype)
        return [(1,), (7,)]

    def image(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the image in the unit of the anchors, for a map of this size."""
        return width, height

    def matched(self, labels: cell_labels.CellLabels, t: Any, row: Any, column: Any) -> tuple[Any, Any]:
        """Return (truth, anchor): which truths are to be found by which of the mask's anchors."""
        raise NotImplementedError(f"{type(self).__name__}: matched is not defined")

    def found(self, matches: Matches) -> tuple[Any, Any]:
        """Add to the loss; return the gradient (U, 5 + C), and how like the truths the boxes are (M,)."""
        raise NotImplementedError(f"{type(self).__name__}: found is not defined")

    def probabilities(self, scores: Any) -> Any:
        """Return the probabilities of the classes (M, C)."""
        raise NotImplementedError(f"{type(self).__name__}: probabilities is not defined")

    def forward(self, bottom: Any, top: Any) -> None:
        t = bottom[0].data.reshape(self._view)
        labels = cell_labels.read(self, "bottom[1] (labels)", bottom[1].data, len(t), self.num_classes)
        row, column = labels.at(*self._grid)
        truth, anchor = self.matched(labels, t, row, column)
        at = labels.image[truth], anchor, row[truth], column[truth]
        key = np.ravel_multi_index(at, t[:, :, 0].shape)
        places, first, place = np.unique(key, return_index=True, return_inverse=True)
        last = len(key) - 1 - np.unique(key[::-1], return_index=True)[1]
        self._at, self._total = np.unravel_index(places, t[:, :, 0].shape), 0.0

        none = ~self._like_a_truth(t, labels)
        none[self._at] = False
        self._d_none = self.add_sigmoid_errors(t[:, :, 4][none], 0, self.noobject_scale)
        self._none = none
        matches = Matches(
            t[at[0], at[1], :, at[2], at[3]],
            self._sizes[self._mask][anchor],
            self._cells[at[2:]],
            labels.boxes[truth],
            labels.classes[truth],
            place.ravel(),
            first,
            last,
        )
        self._d_found, similarity = self.found(matches)
        self._normalizer = normalizer(self.normalization, len(t), none.size, len(truth))
        top[0].data[...] = self._total / self._normalizer
        if len(top) == 2:
            top[1].data[...] = self._scores(t, matches, similarity)

    def backward(self, top: Any, propagate_down: Any, bottom: Any) -> None:
        if propagate_down[0]:
            scale = top[0].diff[0] / self._normalizer
            arrays.fill(bottom[0].diff, 0)
            d_t = bottom[0].diff.reshape(self._view)
            d_t[:, :, 4][self._none] = self._d_none * scale
            d_t[self._at[0], self._at[1], :, self._at[2], self._at[3]] = self._d_found * scale
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def add_sigmoid_errors(self, scores: Any, targets: Any, scale: Any) -> Any:
        """Add to the loss as sigmoid_errors has it, and return the gradient."""
        loss, errors, d_scores = sigmoid_errors(scores, targets, scale, self.squared)
        self.add(loss, d_scores if self.reports_gradient else errors)
        return d_scores

    def add_linear_errors(self, values: Any, targets: Any, scale: Any) -> Any:
        """Add to the loss as linear_errors has it, and return the gradient."""
        loss, errors = linear_errors(values, targets, scale)
        self.add(loss, errors)
        return errors

    def code_errors(self, matches: Matches, more_of_small: bool) -> Any:
        """Add to the loss the errors of the last matches' codes, and return the gradient (U, 4).

        more_of_small: they count 2 - w h times as much.
        """
        codes, scale = matches.t[matches.last, :4], self.coord_scale
        boxes, cells, anchors = (part[matches.last] for part in (matches.boxes, matches.cells, matches.anchors))
        targets = encode_cells(boxes, cells, anchors, self._grid, self._image)
        if more_of_small:
            scale = scale * (2 - boxes[:, 2:].prod(1, keepdims=True))
        d_centres = self.add_sigmoid_errors(codes[:, :2], targets[:, :2], scale)
        return np.concatenate([d_centres, self.add_linear_errors(codes[:, 2:], targets[:, 2:], scale)], 1)

    def add(self, loss: Any, errors: Any) -> None:
        """Add to the loss; of the errors, the sum of squares in its place with legacy_version."""
        self._total += (errors * errors).sum() if self.legacy_version else loss

    def decoded(self, matches: Matches) -> Any:
        """Return the boxes (M, 4) of the map where truths are to be found."""
        return decode_cells(matches.t[:, :4], matches.cells, matches.anchors, self._grid, self._image)

    def similarity_of(self, boxes: Any, others: Any) -> Any:
        """Return how like others boxes are."""
        return box_similarity_forward(boxes, others, self.similarity, self.power)

    def similarity_of_anchors(self, sizes: Any, boxes: Any) -> Any:
        """Return (T, A): how like the anchors of sizes (A, 2) or (T, A, 2) boxes (T, 4) are, all at one place."""
        sizes = sizes / np.asarray(self._image, sizes.dtype)
        return self.similarity_of(*(np.concatenate([0 * size, size], -1) for size in (sizes, boxes[:, None, 2:])))

    def _like_a_truth(self, t: Any, labels: cell_labels.CellLabels) -> Any:
        """Return (N, A, H, W): which boxes are more like a truth of their image than thresh."""
        codes, anchors = np.moveaxis(t[:, :, :4], 2, -1), self._sizes[self._mask][:, None, None]
        boxes = decode_cells(codes, self._cells, anchors, self._grid, self._image)
        found = np.zeros(boxes.shape[:-1], bool)
        for image in np.unique(labels.image):
            truths = labels.boxes[labels.image == image]
            similarity = box_similarities(boxes[image].reshape(-1, 4), truths, self.similarity, self.power)
            found[image] = (similarity.max(1) > self.thresh).reshape(found.shape[1:])
        return found

    def _scores(self, t: Any, matches: Matches, similarity: Any) -> Any:
        everywhere = sigmoid(np, t[:, :, 4])
        means = [everywhere.mean() if everywhere.size else 0.0]
        probabilities = self.probabilities(matches.t[:, 5:])[np.arange(len(similarity)), matches.classes]
        for values in (sigmoid(np, matches.t[:, 4]), similarity, probabilities, similarity > 0.5, similarity > 0.75):
            means.append(values.mean() if len(similarity) else 0.0)
        return [*means, len(similarity)]

"""The bases of classification losses: of class labels under a softmax, and of a target for each score.

WeightedLoss                 sum(v w a l) / Z over positions
├─ SoftmaxLoss               a position is one of the scores', without the class axis
│  ├─ LabelLoss              a class label at each position
│  │  └─ LabelProbabilityLoss   l depends on the label's log-probability alone
│  └─ (distillation)         a distribution over the classes at each position
└─ ScoreLoss                 a position is a score, with a target in [0, 1]
"""

from __future__ import annotations

import math
from typing import Any, Iterator

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.blocks import blocks, part
from caffe_pylayers._layer.functions.softmax import label_backward, log_softmax, softmax_buffer
from caffe_pylayers._layer.losses.class_table import class_table
from caffe_pylayers._layer.losses.weighted_loss import WeightedLoss, weighted_normalization

__all__ = ["LabelLoss", "LabelProbabilityLoss", "ScoreLoss", "SoftmaxLoss"]


class SoftmaxLoss(WeightedLoss):
    """A loss whose positions are those of scores (N, C, ...) without the class axis.

    A subclass calls ``plan_scores`` in its plan, and ``take_softmax`` in its losses.
    """

    axis = Parameter(int, 1, doc="the class axis of the scores; negative counts from the end")

    def plan_scores(self, scores: Any, weights: Any) -> None:
        """Take the scores' shape, and the weights or None."""
        shape, name = tuple(scores.shape), "bottom[0] (scores)"
        self._axis = axis = checks.class_axis(self, name, shape)
        positions = (*shape[:axis], 1, *shape[axis + 1 :])
        self.plan_positions(math.prod(shape[:axis]), positions, weights, f"the labels of {name}")
        self._log_p, self._p = self.xp.empty_like(scores), softmax_buffer(scores)
        self._parts = [()] if self._p is None else blocks(scores, (axis,))

    def take_softmax(self, scores: Any) -> Any:
        """Return the scores' log-softmax; it and, of arrays of numpy, the softmax _p are kept."""
        for _ in self.softmax_parts(scores):
            pass
        return self._log_p

    def softmax_parts(self, scores: Any) -> Iterator[Any]:
        """Take the softmax block by block, and yield each: what is read of it then is still in the cache."""
        for block in self._parts:
            p = None if self._p is None else self._p[block]
            log_softmax(self.xp, scores[block], self._axis, self._log_p[block], p)
            yield block


class LabelLoss(SoftmaxLoss):
    """A loss of scores (N, C, ...) and a class label at each position.

    A subclass has ``losses``, and ``score_gradient`` in place of ``gradient``.
    """

    ignore_label = Parameter(int, None, doc="positions with this label have no loss, and no gradient")
    class_weights = Parameter([float], (), low=0, doc="a_c, a factor for each class: C of them; default: 1")

    def plan(self, scores: Any, labels: Any, weights: Any = None) -> Any:
        self.plan_scores(scores, weights)
        names = "bottom[1] (labels)", "bottom[0] (scores)"
        checks.one_label_each(self, names[0], labels.shape, names[1], scores.shape, self._axis)
        self._classes = arrays.arange_like(labels, scores.shape[self._axis])
        self._class_weights = class_table(self, self.class_weights, "class_weights", scores, self._axis)
        return [(1,)]

    def read(self, bottom: Any) -> Any:
        """Return the labels as indices of the positions' shape, and where they count."""
        weights, where = self.weights_of(bottom), None
        if weights is not None:
            where = self.xp.broadcast_to(weights != 0, self._positions).ravel()
        labels, valid = checks.class_labels(self, bottom[1].data, self._classes, self.ignore_label, where=where)
        if valid is not None:
            valid = arrays.astype(valid, bottom[0].data).reshape(self._positions)
        return labels.reshape(self._positions), valid

    def label_weights(self, target: Any) -> Any:
        """Return the weight of each position's class, or None."""
        return None if self._class_weights is None else self._class_weights[target]

    def gradient(self, bottom: Any, target: Any, scale: Any, propagate_down: Any) -> None:
        """Write the scores' gradient, and zeros for the labels."""
        if propagate_down[0]:
            self.score_gradient(target, scale, bottom[0].diff)
        if propagate_down[1]:
            arrays.fill(bottom[1].diff, 0)

    def score_gradient(self, labels: Any, scale: Any, d_scores: Any) -> None:
        """Write the scores' gradient."""
        raise NotImplementedError(f"{type(self).__name__}: score_gradient is not defined")


class LabelProbabilityLoss(LabelLoss):
    """A loss that depends on the label's log-probability alone.

    A subclass has ``of_log_p`` and ``of_log_p_backward``, functions of it and not normalized.
    """

    def losses(self, bottom: Any, target: Any) -> Any:
        """Return the loss at each position."""
        self._label_log_p = arrays.new(self._log_p, target.shape)
        for block in self.softmax_parts(bottom[0].data):
            self._label_log_p[block] = arrays.take_along(self._log_p[block], target[block], self._axis)
        return self.of_log_p(self._label_log_p)

    def score_gradient(self, labels: Any, scale: Any, d_scores: Any) -> None:
        """Write the scores' gradient."""
        d_log_p = self.of_log_p_backward(self._label_log_p) * scale
        for block in self._parts:
            p = None if self._p is None else self._p[block]
            arguments = self._log_p[block], labels[block], d_log_p[block], self._axis, d_scores[block], p
            label_backward(self.xp, *arguments)

    def of_log_p(self, log_p: Any) -> Any:
        """Return the loss for log-probabilities of labels."""
        raise NotImplementedError(f"{type(self).__name__}: of_log_p is not defined")

    def of_log_p_backward(self, log_p: Any) -> Any:
        """Return its derivative there."""
        raise NotImplementedError(f"{type(self).__name__}: of_log_p_backward is not defined")


class ScoreLoss(WeightedLoss):
    """A loss of scores and a target in [0, 1] for each of them: each score is a position.

    It is computed block by block (see blocks.py), so that temporaries cost little. A subclass has, of the scores and
    targets of a block:

        def score_losses(self, scores, targets, block):      # the losses, and what backward takes up, or None
        def score_gradient(self, scores, targets, kept, scale, d_scores, block):   # write the scores' gradient
    """

    normalization = weighted_normalization("batch")
    targets = Parameter(
        str,
        "values",
        choices=("values", "classes"),
        doc="bottom[1]; values: a target for each score; classes: a label at each position without the class axis, "
        "0 for none, c for a target of 1 at the c-th class",
    )
    axis = Parameter(int, 1, doc="the class axis, for class_weights and classes; negative counts from the end")
    ignore_label = Parameter(int, None, doc="scores with this target, or label, have no loss, and no gradient")
    class_weights = Parameter([float], (), low=0, doc="a_c, a factor for each class: C of them; default: 1")

    def plan(self, scores: Any, targets: Any, weights: Any = None) -> Any:
        shape, name = tuple(scores.shape), "bottom[0] (scores)"
        if self.targets == "classes":
            axis = checks.class_axis(self, name, shape)
            checks.one_label_each(self, "bottom[1] (targets)", targets.shape, name, shape, axis)
            self._label_shape = (*shape[:axis], 1, *shape[axis + 1 :])
            self._labels = arrays.arange_like(targets, shape[axis] + 1)
            classes = 1 + arrays.arange_like(arrays.to_int64(targets), shape[axis])
            self._classes = arrays.on_axis(classes, len(shape), axis)
        else:
            checks.one_target_each(self, "bottom[1] (targets)", targets.shape, name, shape)
        self.plan_positions(shape[0], shape, weights, name)
        self._class_weights = self.for_classes(self.class_weights, "class_weights", scores)
        self._blocks = blocks(scores)
        return [(1,)]

    def for_classes(self, values: Any, parameter: str, scores: Any) -> Any:
        """Return a parameter's numbers, one for each class, so that they broadcast to scores; None for none."""
        if not values:
            return None
        axis = checks.class_axis(self, "bottom[0] (scores)", scores.shape)
        return arrays.on_axis(class_table(self, values, parameter, scores, axis), len(scores.shape), axis)

    def read(self, bottom: Any) -> Any:
        """Return the targets in the scores' shape, those ignored as 0, and which count."""
        return (self._of_labels if self.targets == "classes" else self._of_values)(bottom)

    def label_weights(self, target: Any) -> Any:
        """Return the classes' weights, or None."""
        return self._class_weights

    def losses(self, bottom: Any, target: Any) -> Any:
        """Return the loss of each score."""
        scores = bottom[0].data
        losses, self._kept_parts = self.xp.empty_like(scores), []
        for block in self._blocks:
            losses[block], kept = self.score_losses(scores[block], target[block], block)
            self._kept_parts.append(kept)
        return losses

    def gradient(self, bottom: Any, target: Any, scale: Any, propagate_down: Any) -> None:
        """Write the gradients of scores and targets; labels have zeros."""
        scores, d_targets = bottom[0].data, None
        if propagate_down[1] and self.targets == "classes":
            arrays.fill(bottom[1].diff, 0)
        elif propagate_down[1]:
            d_targets = bottom[1].diff.reshape(self._positions)
        for block, kept in zip(self._blocks, self._kept_parts):
            arguments = scores[block], target[block], kept
            factor = part(scale, block) if scale.shape else scale
            if propagate_down[0]:
                self.score_gradient(*arguments, factor, bottom[0].diff[block], block)
            if d_targets is not None:
                d_targets[block] = self.target_gradient(*arguments, block) * factor

    def score_losses(self, scores: Any, targets: Any, block: Any) -> Any:
        """Return the losses, and what backward takes up, or None."""
        raise NotImplementedError(f"{type(self).__name__}: score_losses is not defined")

    def score_gradient(self, scores: Any, targets: Any, kept: Any, scale: Any, d_scores: Any, block: Any) -> None:
        """Write the scores' gradient."""
        raise NotImplementedError(f"{type(self).__name__}: score_gradient is not defined")

    def target_gradient(self, scores: Any, targets: Any, kept: Any, block: Any) -> Any:
        """Return the derivatives of the losses by the targets, not normalized: those of the cross entropy."""
        return -scores

    def _of_labels(self, bottom: Any) -> Any:
        labels, valid = checks.class_labels(self, bottom[1].data, self._labels, self.ignore_label)
        targets = arrays.astype(labels.reshape(self._label_shape) == self._classes, bottom[0].data)
        if valid is not None:
            valid = arrays.astype(valid, bottom[0].data).reshape(self._label_shape)
        return targets, valid

    def _of_values(self, bottom: Any) -> Any:
        targets, weights = bottom[1].data.reshape(self._positions), self.weights_of(bottom)
        valid = where = None if self.ignore_label is None else targets != self.ignore_label
        if weights is not None:
            where = weights != 0 if valid is None else valid & (weights != 0)
            where = self.xp.broadcast_to(where, self._positions)
        shaped = None if where is None else where.reshape(bottom[1].data.shape)
        checks.numbers(self, "bottom[1] (targets)", bottom[1].data, shaped, 0, 1)
        used = valid
        if weights is not None:  # what has no weight may be no target at all
            inside = (targets >= 0) & (targets <= 1)
            used = inside if valid is None else inside & valid
        if used is not None:
            targets = self.xp.where(used, targets, 0)
        return targets, None if valid is None else arrays.astype(valid, targets)

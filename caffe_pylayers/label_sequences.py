"""What a net reads: sequences of labels from scores of every step, and how right they are.

layer {
  name: "result"  type: "Python"  bottom: "fc1x"  top: "result"
  python_param {
    module: "caffe_pylayers.label_sequences"  layer: "CTCGreedyDecoder"  param_str: "{blank_label: 0}"
  }
}
layer {
  name: "accuracy"  type: "Python"  bottom: "fc1x"  bottom: "label"  top: "accuracy"  include { phase: TEST }
  python_param {
    module: "caffe_pylayers.label_sequences"  layer: "SequenceAccuracy"
    param_str: "{measures: [exact, edit]}"
  }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.no_gradient import NoGradient
from caffe_pylayers._layer.functions.label_sequences import (
    collapsed,
    edit_distances,
    label_sequences,
    lengths_of_marks,
)
from caffe_pylayers._layer.metrics.metric import Metric

__all__ = ["CTCGreedyDecoder", "SequenceAccuracy", "best_paths", "collapsed", "edit_accuracies", "edit_distances"]


def best_paths(scores, steps):
    """Return (classes (N, T), minus the sum of their scores (N,)): the best class of each step; steps (N,) count.

    scores: (T, N, C).
    """
    best = scores.argmax(2)
    largest = np.take_along_axis(scores, best[..., None], 2)[..., 0]
    counts = np.arange(len(scores))[:, None] < steps
    return best.T, -np.where(counts, largest, 0).sum(0)


def edit_accuracies(ours, lengths, theirs, their_lengths):
    """Return 1 - edit distance / length of the longer one for each pair of sequences; 1 for two empty ones."""
    longest = np.maximum(np.maximum(lengths, their_lengths), 1)
    return 1 - edit_distances(ours, lengths, theirs, their_lengths) / longest


class _Decoding(Layer):
    """A layer that reads the best paths of scores, (T, N, C) or as time_axis says."""

    blank_label = Parameter(int, 0, low=-1, doc="the class of no label; -1: the last")
    merge_repeated = Parameter(bool, True, doc="equal neighbours in a path are one label; false: two")

    time_axis = 0

    def plan_scores(self, scores):
        shape = tuple(scores.shape)
        if len(shape) < 3 or math.prod(shape[3:]) != 1 or not shape[2]:
            form = "(N, T, C)" if self.time_axis else "(T, N, C)"
            raise checks.error(self, f"bottom[0] (scores) must have the shape {form}, got {shape}")
        if self.blank_label >= shape[2]:
            raise checks.error(self, f"blank_label must be below the {shape[2]} classes of bottom[0], got {shape}")
        self._scores = shape[:3]
        self._blank = self.blank_label % shape[2]
        return shape[self.time_axis], shape[1 - self.time_axis]

    def decode(self, scores, cont=None):
        """Return (labels (N, L), their lengths, minus the sums of the best scores)."""
        scores = scores.reshape(self._scores)
        count, samples = self._scores[self.time_axis], self._scores[1 - self.time_axis]
        steps, where = np.full(samples, count), None
        if cont is not None:
            steps = lengths_of_marks(cont.reshape(count, samples))
            where = (np.arange(count)[:, None] < steps)[..., None]
        checks.numbers(self, "bottom[0] (scores)", scores, where)
        scores = scores.swapaxes(0, 1) if self.time_axis else scores
        best, sums = best_paths(scores, steps)
        return (*collapsed(best, steps, self._blank, self.merge_repeated), sums)


class CTCGreedyDecoder(_Decoding, NoGradient):
    """The labels that the best class of each step spells: without blanks, and of equal neighbours one.

    Bottom:
        [0] scores (T, N, C)
        [1] optional, cont (T, N): a sequence goes on up to the next 0 behind the first step; default: to the end
        [2] optional, labels (L, N), a negative one behind the last
    Top:
        [0] labels (N, T), -1 behind the last
        [1] optional, without labels: minus the sum of the best scores (N,)
        [1] with labels: the mean of 1 - edit distance / length of the longer sequence, (1,); or [1] the sums, [2] it
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, scores that are no numbers and labels that are no classes.
    References:
        Graves et al., "Connectionist Temporal Classification", 2006, section 3.2: best path decoding. CTCGreedyDecoder
        of ChWick/caffe and caffe_ocr, with their ctc_decoder_param: blank_index is blank_label, ctc_merge_repeated
        merge_repeated.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = np.eye(3)[[1, 1, 0, 1, 2]][:, None]
        >>> LayerRun(CTCGreedyDecoder, [scores]).forward()[0]
        array([[ 1.,  1.,  2., -1., -1.]])
    """

    def setup(self, bottom, top):
        names = ("labels", "sums") if len(bottom) < 3 else ("labels", "sums", "accuracy")
        checks.tops(self, top, *names, optional=len(names) - 1)
        self._tops = names if len(top) == len(names) else ("labels", names[-1])

    def plan(self, scores, cont=None, labels=None):
        steps, samples = self.plan_scores(scores)
        if cont is not None and math.prod(cont.shape) != steps * samples:
            raise checks.error(
                self, f"bottom[1] (cont) must have the shape {(steps, samples)}, got {tuple(cont.shape)}"
            )
        if labels is not None:
            shape = tuple(labels.shape)
            if shape[1:2] != (samples,) or math.prod(shape[2:]) != 1:
                raise checks.error(
                    self, f"bottom[2] (labels) must have the shape (L, N), of {samples} samples, got {shape}"
                )
            self._label_shape = shape[:2]
        shapes = {"labels": (samples, steps), "sums": (samples,), "accuracy": (1,)}
        return [shapes[name] for name in self._tops]

    def forward(self, bottom, top):
        decoded, lengths, sums = self.decode(*(bottom[i].data for i in range(min(len(bottom), 2))))
        top[0].data[...] = -1
        top[0].data[:, : decoded.shape[1]] = decoded
        for i in range(1, len(top)):
            if self._tops[i] == "sums":
                top[i].data[...] = sums
            else:
                labels = bottom[2].data.reshape(self._label_shape).T
                truth = label_sequences(self, labels, self._scores[2], self._blank)
                top[i].data[0] = edit_accuracies(decoded, lengths, *truth).sum() / max(len(decoded), 1)


class SequenceAccuracy(_Decoding, Metric):
    """How right the label sequences are that the best class of each step spells.

    exact: the share of sequences without a fault. edit: the mean of 1 - edit distance / length of the longer sequence,
    the share of labels that are right.

    Bottom:
        [0] scores (T, N, C), or (N, T, C) with time_axis 1
        [1] labels (N, L): a negative one and those behind it count for nothing, nor does a blank anywhere
    Top:
        [0] the measures, (1,) or (2,)
    Backward:
        Zeros.
    Raises:
        ValueError for shapes that do not fit, scores that are no numbers and labels that are no classes.
    References:
        Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966. exact with
        time_axis 1 is LabelsequenceAccuracy of xmfbit/warpctc-caffe; edit and exact are what CTCGreedyDecoder of
        caffe_ocr gives for scores and labels.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = np.eye(4)[[1, 1, 0, 2]][:, None]
        >>> LayerRun(SequenceAccuracy, [scores, [[1, 3]]], param_str="measures: [exact, edit]").forward()[0]
        array([0. , 0.5])
    """

    measures = Parameter([str], ("exact",), choices=("exact", "edit"), length=(1, 2), doc="what is measured")
    time_axis = Parameter(int, 0, choices=(0, 1), doc="the axis of the steps in bottom[0]; the other has the samples")

    def setup(self, bottom, top):
        checks.tops(self, top, "measures")

    def plan(self, scores, labels):
        _, samples = self.plan_scores(scores)
        shape = tuple(labels.shape)
        if len(shape) < 2 or shape[0] != samples:
            raise checks.error(
                self, f"bottom[1] (labels) must have the shape (N, L), of {samples} samples, got {shape}"
            )
        self._label_shape = samples, math.prod(shape[1:])
        return [(len(self.measures),)]

    def start(self):
        self._count, self._sums = 0, {"exact": 0.0, "edit": 0.0}

    def update(self, bottom):
        decoded, lengths, _ = self.decode(bottom[0].data)
        labels = bottom[1].data.reshape(self._label_shape)
        found = edit_accuracies(decoded, lengths, *label_sequences(self, labels, self._scores[2], self._blank))
        self._count += len(found)
        self._sums["edit"] += found.sum()
        self._sums["exact"] += (found == 1).sum()

    def values(self):
        return [np.array([self._sums[name] / self._count if self._count else np.nan for name in self.measures])]

"""Connectionist temporal classification: a loss of label sequences whose places in time are not known.

layer {
  name: "ctc_loss"  type: "Python"  bottom: "fc1"  bottom: "label"  top: "ctc_loss"  loss_weight: 1
  python_param { module: "caffe_pylayers.ctc"  layer: "CTCLoss"  param_str: "{blank_label: 10}" }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.functions.ctc_paths import ctc_backward, ctc_forward
from caffe_pylayers._layer.functions.label_sequences import label_sequences, lengths_of_marks
from caffe_pylayers._layer.functions.log_sum_exp import NOTHING
from caffe_pylayers._layer.functions.softmax import log_softmax, softmax_buffer
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = ["CTCLoss", "ctc_backward", "ctc_forward"]


class CTCLoss(Layer):
    """Minus the logarithm of the probability of a label sequence, whatever steps its labels are at.

    loss = -sum log p(y_n | x_n) / Z;  p(y | x) = sum over the paths that spell y of the product over the steps of
    p_t(class), p = softmax(scores). A path spells its classes without the blanks, and of equal neighbours one.

    Bottom:
        [0] scores (T, N, C) of T steps: not yet probabilities
        with one more: [1] labels (N, L)
        with two more: [1] cont (T, N): a sequence begins at the first step and goes on up to the next 0;
            [2] labels (L, N). An empty label and a single step are no sequence.
        with three more: [1] steps (N,); [2] lengths of the labels (N,); [3] labels (L, N)
        A negative label and those behind it count for nothing, nor does a blank anywhere.
    Top:
        [0] loss (1,)
    Backward:
        d_scores = g (p - share of the paths at the class) / Z; without Z with legacy_gradient. 0 from a sequence's end
        on, and where no path spells the label: it is too long, or has equal neighbours and no step for a blank
        between. Zeros to the others.
    Raises:
        ValueError for a label that is no class, lengths beyond what there is, and shapes that do not fit.
    References:
        Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with Recurrent Neural
        Networks", 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf; PyTorch's ctc_loss, with Z for its divisors.
        CtcLoss of xmfbit/warpctc-caffe, whose blank_label this has; WarpCTCLoss and CTCLoss of ChWick/caffe and
        caffe_ocr, with their ctc_loss_param, where blank_index is blank_label, ctc_merge_repeated merge_repeated and
        preprocess_collapse_repeated collapse_labels. Their gradients are not divided by Z.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> scores = np.zeros((2, 1, 2))  # three of four paths of two steps spell 1: 01, 10, 11
        >>> LayerRun(CTCLoss, [scores, [[1]]]).forward()[0].round(4)
        array([0.2877])
    """

    array_api = True

    blank_label = Parameter(int, 0, low=-1, doc="the class of no label; -1: the last")
    label_offset = Parameter(int, 0, low=0, doc="added to each label")
    merge_repeated = Parameter(bool, True, doc="equal neighbours in a path are one label; false: two")
    collapse_labels = Parameter(bool, False, doc="equal neighbours in the labels are one")
    output_delay = Parameter(int, 0, low=0, doc="steps at the beginning that spell nothing")
    zero_infinity = Parameter(bool, True, doc="a label that no path spells has a loss of 0; false: infinity")
    normalization = normalization("batch", full="the steps", valid="the samples whose label a path spells")
    legacy_gradient = Parameter(bool, False, doc="the gradient is not divided by Z, as in forks of Caffe")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def plan(self, scores, labels_or_cont, labels_or_lengths=None, labels=None):
        shape = tuple(scores.shape)
        if len(shape) < 3 or math.prod(shape[3:]) != 1 or not shape[2]:
            raise checks.error(self, f"bottom[0] (scores) must have the shape (T, N, C), got {shape}")
        self._shape = steps, samples, classes = shape[:3]
        if max(self.blank_label, self.label_offset) >= classes:
            raise checks.error(self, f"blank_label and label_offset must be below the {classes} classes of bottom[0]")
        self._blank = self.blank_label % classes
        given = [blob for blob in (labels_or_cont, labels_or_lengths, labels) if blob is not None]
        wanted = {1: [], 2: [("cont", steps * samples)], 3: [("steps", samples), ("lengths", samples)]}[len(given)]
        for i, (name, count) in enumerate(wanted):
            if math.prod(given[i].shape) != count:
                raise checks.error(
                    self, f"bottom[{i + 1}] ({name}) must have {count} values, got shape {tuple(given[i].shape)}"
                )
        last, axis = tuple(given[-1].shape), 0 if len(given) == 1 else 1
        if len(last) < 2 or last[axis] != samples or (axis and math.prod(last[2:]) != 1):
            form = "(L, N)" if axis else "(N, L)"
            raise checks.error(
                self, f"bottom[{len(given)}] (labels) must have the shape {form}, of {samples} samples, got {last}"
            )
        self._label_shape = (last[0], math.prod(last[1:]))
        self._log_p = arrays.new(scores, (max(steps - self.output_delay, 0), samples, classes))
        self._p = softmax_buffer(self._log_p)
        return [(1,)]

    def forward(self, bottom, top):
        scores = bottom[0].data.reshape(self._shape)
        labels, lengths, steps = self._sequences(*(arrays.to_numpy(bottom[i].data) for i in range(1, len(bottom))))
        steps = np.maximum(steps - self.output_delay, 0)
        log_softmax(self.xp, scores[self.output_delay :], 2, self._log_p, self._p)
        self._log_likelihood, self._kept = ctc_forward(
            self.xp, self._log_p, labels, lengths, steps, self._blank, self.merge_repeated
        )
        is_spelled = ~(self._log_likelihood <= NOTHING / 2)  # NaN goes on to the loss
        spelled = int(is_spelled.sum())
        self._normalizer = normalizer(self.normalization, len(labels), int(steps.sum()), spelled)
        losses = self.xp.where(is_spelled, -self._log_likelihood, self.xp.zeros_like(self._log_likelihood))
        complete = self.zero_infinity or spelled == len(labels)
        top[0].data[0] = losses.sum() / self._normalizer if complete else math.inf

    def backward(self, top, propagate_down, bottom):
        for i in range(1, len(bottom)):
            if propagate_down[i]:
                arrays.fill(bottom[i].diff, 0)
        if not propagate_down[0]:
            return
        d_scores = bottom[0].diff.reshape(self._shape)
        arrays.fill(d_scores[: self.output_delay], 0)
        d_scores = d_scores[self.output_delay :]
        ctc_backward(self.xp, self._log_p, self._kept, self._log_likelihood, d_scores)
        d_scores *= top[0].diff[0] / (1 if self.legacy_gradient else self._normalizer)

    def _sequences(self, *given):
        """Return the labels (N, L), their lengths and the steps of the sequences, from all bottoms but the first."""
        count, samples, classes = self._shape
        labels = given[-1].reshape(self._label_shape)
        if len(given) > 1:
            labels = labels.T
        steps = np.full(samples, count)
        if len(given) == 2:
            steps = lengths_of_marks(given[0].reshape(count, samples))
        elif len(given) == 3:
            steps, lengths = (self._counts(i, given[i - 1], most) for i, most in ((1, count), (2, labels.shape[1])))
            labels = np.where(np.arange(labels.shape[1]) < lengths[:, None], labels, -1)
        labels, lengths = label_sequences(self, labels, classes, self._blank, self.label_offset, self.collapse_labels)
        if len(given) == 2:
            steps[(lengths == 0) & (steps == 1)] = 0
        return labels, lengths, steps

    def _counts(self, i, values, most):
        flat = values.ravel()
        checks.every(
            self, "length", flat, (flat >= 0) & (flat <= most) & (flat == np.floor(flat)), f"is none in [0, {most}]"
        )
        return flat.astype(np.int64)

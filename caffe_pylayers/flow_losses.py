"""Losses of predicted vectors, such as optical flow, whose ground truth has gaps: NaN counts nothing.

    layer {
      name: "loss"  type: "Python"
      bottom: "predict_flow"  bottom: "flow_gt"  top: "loss"
      python_param { module: "caffe_pylayers.flow_losses"  layer: "LpqLoss"  param_str: "{p: [2], q: [0.5]}" }
      loss_weight: 1
    }

Caffe gives a Python layer no default loss weight: without ``loss_weight`` it trains nothing.
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.scheduled import Scheduled
from caffe_pylayers._layer.losses.normalizers import normalization, normalizer

__all__ = ["LpqLoss", "lpq_backward", "lpq_forward"]


def lpq_forward(xp, lengths, p, q, p_epsilon=0.0, q_epsilon=0.0, scale=1.0, least=0.0):
    """Return (terms, sums): (s + q_epsilon)**q, and s = scale sum over c of (lengths[:, c] + p_epsilon)**p.

    lengths: (N, C, P), not negative. least: an s below it counts as 0.
    """
    sums = ((lengths + p_epsilon) ** p).sum(1) * scale
    sums = sums * (sums >= least)
    return (sums + q_epsilon) ** q, sums


def lpq_backward(xp, lengths, sums, d_terms, p, q, p_epsilon=0.0, q_epsilon=0.0, scale=1.0, least=0.0):
    """Return d_lengths of lpq_forward for its sums; 0 where a root has no slope, and where s is below the least."""
    d_sums = _slope(xp, sums + q_epsilon, q) * d_terms * scale * (sums >= least)
    return _slope(xp, lengths + p_epsilon, p) * d_sums[:, None]


def _slope(xp, base, power):
    """Return power base**(power - 1), and 0 for a base of 0 that has none."""
    if power >= 1:
        return power * base ** (power - 1)
    some = base > 0
    return xp.where(some, power * xp.where(some, base, xp.ones_like(base)) ** (power - 1), xp.zeros_like(base))


class LpqLoss(Scheduled):
    """A power of the length of the difference at each location, summed: for p 2 and q 1/2 the endpoint error.

    loss = sum over locations of (s + q_epsilon)**q / Z, s = sum over channels of (|a - b| + p_epsilon)**p

    Bottom:
        [0] predictions a (N, C, ...), one vector for each location; or, alone, differences
        [1] targets b, optional, the shape of a. Where a - b is NaN it counts as 0, without a gradient
    Top:
        [0] loss (1,)
    Backward:
        d_a = g q (s + q_epsilon)**(q - 1) p (|a - b| + p_epsilon)**(p - 1) sign(a - b) / Z, 0 where there is none,
        d_b = -d_a, with the loss weight in g = top[0].diff[0].
    Raises:
        ValueError for shapes that differ, and for p, q and start of other numbers.
    References:
        Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", 2015, arXiv:1504.06852, whose
        loss is the endpoint error. LpqLoss of lmb-freiburg/flownet2, here on the CPU too; and its L1Loss: with
        l2_per_location p is 2, q 1/2 and q_epsilon 0.01, else both are 1 and each value is by itself, which without
        gaps is L1Loss of NVIDIA's Caffe too. Z is there the number of samples, batch, or with normalize_by_num_entries
        valid.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(LpqLoss, [[[3, 4]], [[0, 0]]], param_str="{p: [2], q: [0.5], q_epsilon: 0}")
        >>> run.forward()[0]
        array([5.])
        >>> run.backward([1])[0]
        array([[0.6, 0.8]])
    """

    array_api = True
    counts_tests = True

    p = Parameter([float], above=0, length=(1, None), doc="one, or one for each start")
    q = Parameter([float], above=0, length=(1, None), doc="as many")
    start = Parameter([int], (0,), low=0, doc="the forwards from which on each p and q holds, 0 first")
    p_epsilon = Parameter(float, 0.0, low=0, doc="added to each difference")
    q_epsilon = Parameter(float, 0.01, low=0, doc="added to each sum")
    channel_mean = Parameter(bool, False, doc="s is the mean over the channels, not the sum")
    by_location = Parameter(bool, True, doc="the channels of a location together; false: each value by itself")
    plateau = Parameter(float, 0.0, low=0, doc="differences shorter than it count as 0, without a gradient")
    normalization = normalization("batch", valid="the locations that are no NaN")

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")
        starts = list(self.start)
        if not len(self.p) == len(self.q) == len(starts):
            raise checks.error(
                self, f"p, q and start must be as many, got {len(self.p)}, {len(self.q)} and {len(starts)}"
            )
        if starts[0] or any(a >= b for a, b in zip(starts, starts[1:])):
            raise checks.error(self, f"start must begin with 0 and grow, got {starts}")

    def plan(self, predictions, targets=None):
        shape = tuple(predictions.shape)
        if len(shape) < 2 or not shape[1]:
            raise checks.error(self, f"bottom[0] (predictions) must have the shape (N, C, ...), got {shape}")
        if targets is not None:
            checks.same_shape(self, "bottom[1] (targets)", targets.shape, "bottom[0] (predictions)", shape)
        self._channels, self._samples, count = shape[1], shape[0], math.prod(shape)
        self._view = (*shape[:2], math.prod(shape[2:])) if self.by_location else (count, 1, 1)
        return [(1,)]

    def forward(self, bottom, top):
        xp, difference = self.xp, bottom[0].data.reshape(self._view)
        if len(bottom) == 2:
            difference = difference - bottom[1].data.reshape(self._view)
        known = difference == difference  # noqa: PLR0124 - NaN is not
        self._difference = xp.where(known, difference, xp.zeros_like(difference))
        t = self.next_iteration()
        now = max(i for i, start in enumerate(self.start) if start <= t)
        self._powers = {
            "p": self.p[now],
            "q": self.q[now],
            "p_epsilon": self.p_epsilon,
            "q_epsilon": self.q_epsilon,
            "scale": 1 / self._view[1] if self.channel_mean else 1.0,
            "least": self.plateau ** self.p[now],
        }
        lengths = abs(self._difference)
        terms, self._sums = lpq_forward(xp, lengths, **self._powers)
        full, valid = math.prod(self._view) / self._channels, arrays.count_true(known) / self._channels
        self._normalizer = normalizer(self.normalization, self._samples, full, valid)
        top[0].data[...] = terms.sum() / self._normalizer

    def backward(self, top, propagate_down, bottom):
        asked = [i for i in range(len(bottom)) if propagate_down[i]]
        if not asked:
            return
        scale = top[0].diff[0] / self._normalizer
        d = lpq_backward(self.xp, abs(self._difference), self._sums, scale, **self._powers)
        d = d * self.xp.sign(self._difference)
        for i in asked:
            diff = bottom[i].diff.reshape(self._view)
            diff[...] = -d if i else d

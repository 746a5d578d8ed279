"""Batch normalization with its scale and shift in one layer, and the statistics that TEST uses beside them.

layer {
  name: "bn1"  type: "Python"
  bottom: "conv1"  top: "bn1"
  param { lr_mult: 1 decay_mult: 0 }  # scale
  param { lr_mult: 1 decay_mult: 0 }  # shift
  param { lr_mult: 0 decay_mult: 0 }  # the running mean: no solver may change it
  param { lr_mult: 0 decay_mult: 0 }  # the running variance
  python_param { module: "caffe_pylayers.batch_norm"  layer: "BatchNorm"  param_str: "{eps: 1.0e-3}" }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.kept_input import KeptInput
from caffe_pylayers._layer.bases.learned import learn
from caffe_pylayers._layer.blocks import blocks, part, sum_to
from caffe_pylayers._layer.functions import fused
from caffe_pylayers._layer.functions.standardize import BATCH, standardize_backward, standardize_forward
from caffe_pylayers._layer.phases import TEST, TRAIN

__all__ = [
    "BatchNorm",
    "fixed_norm_backward",
    "fixed_norm_forward",
    "standardize_backward",
    "standardize_forward",
    "statistics_backward",
]

_HELD = ("scale", "shift", "mean", "variance", "inverse_std", "correction")


def fixed_norm_forward(xp, x, mean, inverse, scale, shift, y):
    """Write y = scale (x - mean) inverse + shift: standardize_forward with statistics that do not depend on x.

    x: (N, C, M). mean, inverse: (1, C, 1). scale, shift: the same, or None for 1 and 0. y: receives it; may be x.
    """
    factor = inverse if scale is None else inverse * scale
    term = -mean * factor if shift is None else shift - mean * factor
    if not fused.affine_by_kernel(xp, x, factor, term, y):
        for block in blocks(x):
            xp.multiply(x[block], part(factor, block), out=y[block])
            y[block] += part(term, block)


def fixed_norm_backward(xp, x, mean, inverse, scale, d_y, d_x=None, d_scale=None, d_shift=None):
    """Write d_x = scale inverse d_y; add sum(d_y (x - mean) inverse) to d_scale and sum(d_y) to d_shift.

    d_x: may be d_y. Of the three only those are computed that are there; x is needed for d_scale alone.
    """
    if d_scale is not None and fused.has_norms(xp):
        fused.fixed_norm_backward(xp, x, mean, inverse, d_y, d_scale, d_shift)
    elif d_scale is not None:
        for block in blocks(d_y):
            products = (x[block] - part(mean, block)) * part(inverse, block) * d_y[block]
            for diff, values in ((d_scale, products), (d_shift, d_y[block])):
                if diff is not None:
                    place = part(diff, block)
                    place += sum_to(values, place.shape)
    if d_x is not None:
        xp.multiply(d_y, inverse if scale is None else inverse * scale, out=d_x)


def statistics_backward(x, mean, d_mean, d_variance, d_x):
    """Add the gradients through a batch's mean and biased variance to d_x: (d_mean + 2 (x - mean) d_variance) / n."""
    count = x.shape[0] * x.shape[2]
    d_x += (d_mean + (x - mean) * d_variance * 2) / count


class BatchNorm(KeptInput):
    """Normalizes each channel over a batch, and scales and shifts it; TEST goes by running statistics.

    y = scale z + shift, z = (x - mean) / sqrt(variance + eps), mean and variance of a channel over the batch and all
    positions; in TEST, or with use_global_stats, the running ones: running = f running + (1 - f) batch's. With
    stats_batch_size each so many samples are a batch of their own.

    Bottom:
        [0] x (N, C, ...), C on the axis
    Top:
        [0] y, the shape of x; may be the bottom, in place
        [1] optional: the mean, shaped as the scale
        [2] optional: the variance, biased
    Learned:
        Those that `learned` names, in its order; with blob_axes 1 (C,), with more (1, C, 1, ...); correction (1,).
        Give the running ones and the correction `param { lr_mult: 0 decay_mult: 0 }`: forward alone changes them.
    Backward:
        d_x = (d_z - mean(d_z) - z mean(d_z z)) / sqrt(variance + eps), d_z = scale d_y; by running statistics
        d_x = d_z / sqrt(variance + eps). Added to the diffs: sum(d_y z) for scale, sum(d_y) for shift. The gradients of
        a batch's mean and variance as tops are d_x's too.
    Raises:
        ValueError for channels that the blobs were not made for, and for names of blobs that do not go together.
    References:
        Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
        Shift", 2015, arXiv:1502.03167. Caffe's BatchNorm with the Scale after it. The BN of forks, by `learned`: of
        PSPNet and TSN scale, shift, mean, variance; of caffe-windows inverse_std in place of the variance; of SegNet
        and ENet scale, shift (which LEARN uses with the batch's statistics in TEST too, and INFERENCE alone, with
        use_global_stats); of CTPN the four, with an axis. BatchNorm of NVIDIA's and Intel's Caffe: mean, variance,
        correction, scale, shift, and Intel's stats_batch_size: Hoffer et al., "Train longer, generalize better", 2017,
        arXiv:1705.08741, call it ghost batch normalization. torch.nn.functional.batch_norm has a momentum of 1 - f, and
        unbiased.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(BatchNorm, [[[1.0], [3], [5]]], param_str="{scale: 2, shift: 0.5, variance: 4}")
        >>> run.forward()[0].round(5).ravel()
        array([-1.94949,  0.5    ,  2.94949])
        >>> run.layer.blobs[2].data.round(5), run.layer.blobs[3].data.round(5)
        (array([0.3]), array([3.86667]))
    """

    array_api = True
    in_place = True

    learned = Parameter([str], _HELD[:4], choices=_HELD, doc="what the learned blobs hold, in their order")
    blob_axes = Parameter(int, 1, low=1, doc="the axes that a learned blob has")
    axis = Parameter(int, 1, doc="the channels'")
    eps = Parameter(float, 1e-5, above=0, doc="added to the variance, in the square of the bottom's unit")
    scale = Parameter(float, 1.0, doc="the scales before training")
    shift = Parameter(float, 0.0, doc="the shifts before training")
    variance = Parameter(float, 1.0, low=0, doc="the running variances, or inverse_std, before training")
    use_global_stats = Parameter(
        bool,
        None,
        doc="go by the running statistics; default: in TEST, if there are any. True where none are learned: y = scale "
        "x + shift",
    )
    frozen = Parameter(bool, False, doc="go by the running statistics, and learn no scale and shift")
    moving_average_fraction = Parameter(
        float, 0.9, low=0, high=1, doc="f, how much of the running statistics a batch in TRAIN leaves"
    )
    averaging = Parameter(
        str,
        "average",
        choices=("average", "from_first", "sum"),
        doc="from_first: the batch's, while the running variances are 0; sum: running = f running + batch's, "
        "correction = f correction + 1, by which they are divided",
    )
    unbiased = Parameter(bool, False, doc="the running variance is of variances by n - 1")
    stats_batch_size = Parameter(
        int, 0, low=0, doc="samples that are normalized together, the last ones may be fewer; 0: all of a batch"
    )

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "x")
        checks.tops(self, top, "y", "mean", "variance", optional=2)
        held = set(self.learned)
        spread = held & {"variance", "inverse_std"}
        if (
            len(held) < len(self.learned)
            or len(spread) != ("mean" in held)
            or ("shift" in held and "scale" not in held)
            or ("correction" in held and "variance" not in held)
            or (self.averaging == "sum" and "correction" not in held)
        ):
            raise checks.error(
                self,
                "learned must name each blob once, shift with scale, mean with variance or inverse_std, correction "
                f"with variance, and for averaging sum a correction; got {', '.join(self.learned)}",
            )
        if self.stats_batch_size and len(top) > 1:
            raise checks.error(self, "with stats_batch_size there is no one mean and variance for further tops")
        running = self.use_global_stats
        if running is None:
            running = self.phase == TEST and "mean" in held
        self._by_batch = not (running or self.frozen)
        shape = self._shape_of(tuple(bottom[0].shape))
        first = {
            "scale": self.scale,
            "shift": self.shift,
            "variance": self.variance,
            "inverse_std": self.variance,
            "correction": float(self.averaging != "sum"),
        }
        learn(self, *(np.full((1,) if n == "correction" else shape, first.get(n, 0.0)) for n in self.learned))

    def plan(self, x):
        shape = tuple(x.shape)
        learned = self._shape_of(shape)
        for name, blob in zip(self.learned, self.blobs):
            if name != "correction" and tuple(blob.shape) != learned:
                raise checks.error(
                    self,
                    f"bottom[0] of shape {shape} needs {name} of shape {learned}, but it was made with "
                    f"{tuple(blob.shape)}",
                )
        axis = self.axis % len(shape)
        self._view = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
        rows = max(1, self._view[0])
        if self.stats_batch_size:
            rows = self.stats_batch_size * math.prod(shape[1:axis])
        self._batches = [slice(i, i + rows) for i in range(0, self._view[0], rows)]
        return [shape, learned, learned]

    def forward(self, bottom, top):
        if 0 in self._view:
            for i in range(1, len(top)):
                arrays.fill(top[i].data, 0)
            return
        x = bottom[0].data if self.frozen else self.keep_input(bottom, top)  # frozen, backward needs no x
        x, y = x.reshape(self._view), top[0].data.reshape(self._view)
        scale, shift = self._of("data", "scale"), self._of("data", "shift")
        if self._by_batch:
            self._statistics = [
                standardize_forward(self.xp, x[batch], scale, shift, self.eps, y[batch], BATCH)
                for batch in self._batches
            ]
            if self.phase == TRAIN:
                for batch, statistics in zip(self._batches, self._statistics):
                    self._average(len(x[batch]) * self._view[2], *statistics)
        else:
            self._statistics = [self._running(x)]
            fixed_norm_forward(self.xp, x, *self._statistics[0], scale, shift, y)
        if len(top) > 1:
            ((mean, inverse),) = self._statistics
            for i, values in zip(range(1, len(top)), (mean, self._variance(inverse))):
                top[i].data[...] = values.reshape(top[i].data.shape)

    def backward(self, top, propagate_down, bottom):
        if 0 in self._view:
            return
        x = (bottom[0].data if self.frozen else self.input(bottom)).reshape(self._view)
        d_y = top[0].diff.reshape(self._view)
        d_x = bottom[0].diff.reshape(self._view) if propagate_down[0] else None
        scale = self._of("data", "scale")
        d_scale, d_shift = (None if self.frozen else self._of("diff", name) for name in ("scale", "shift"))
        if not self._by_batch:
            fixed_norm_backward(self.xp, x, *self._statistics[0], scale, d_y, d_x, d_scale, d_shift)
            return
        for batch, (mean, inverse) in zip(self._batches, self._statistics):
            d_part = None if d_x is None else d_x[batch]
            gradients = d_y[batch], d_part, d_scale, d_shift
            standardize_backward(self.xp, x[batch], mean, inverse, scale, *gradients, axes=BATCH)
        if d_x is not None and len(top) > 1:
            d_mean, d_variance = (top[i].diff.reshape(1, -1, 1) if i < len(top) else 0.0 for i in (1, 2))
            statistics_backward(x, self._statistics[0][0], d_mean, d_variance, d_x)

    def _shape_of(self, shape):
        """Return the shape of a learned blob for a bottom's."""
        axis = checks.axis(self, self.axis, len(shape), f"bottom[0] of shape {shape}")
        if self.blob_axes == 1:
            return shape[axis : axis + 1]
        if axis >= self.blob_axes:
            raise checks.error(self, f"blobs of {self.blob_axes} axes have no axis {axis} for the channels")
        return tuple(shape[axis] if i == axis else 1 for i in range(self.blob_axes))

    def _of(self, which, name):
        """Return data or diff of a learned blob as it broadcasts to the view; None where there is none."""
        if name not in self.learned:
            return None
        return getattr(self.blobs[self.learned.index(name)], which).reshape(1, -1, 1)

    def _running(self, x):
        """Return the mean and the inverse deviation that no batch changes."""
        mean, variance, inverse, correction = (
            self._of("data", name) for name in ("mean", "variance", "inverse_std", "correction")
        )
        if mean is None:
            zeros = self.xp.zeros_like(x[:1, :, :1])
            return zeros, zeros + 1
        if correction is not None:  # the sums' divisor; while it is 0, they are 0
            share = (correction != 0) / (correction + (correction == 0))
            mean, variance = mean * share, variance * share
        return mean, inverse if variance is None else 1 / self.xp.sqrt(variance + self.eps)

    def _variance(self, inverse):
        return (1 / (inverse * inverse) - self.eps).clip(0, None)

    def _average(self, count, mean, inverse):
        """Let the running statistics follow a batch's, of so many values a channel."""
        variance = self._variance(inverse)
        if self.unbiased and count > 1:
            variance = variance * (count / (count - 1))
        fraction, share = self.moving_average_fraction, 1 - self.moving_average_fraction
        if self.averaging == "from_first":
            begun = self._of("data", "variance").any()
            if arrays.on_device(begun):
                fraction, share = fraction * begun, 1 - fraction * begun
            elif not begun:
                fraction, share = 0.0, 1.0
        of_batch = {"mean": mean, "variance": variance, "inverse_std": inverse}
        if self.averaging == "sum":
            share = of_batch["correction"] = 1.0
        elif "correction" in self.learned:  # it is 1, but in a file of sums
            share = self._of("data", "correction") * share
        for name, value in of_batch.items():
            running = self._of("data", name)
            if running is not None:
                running *= fraction
                running += value * share

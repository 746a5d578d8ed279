"""Means taken from data: known ones, or one learned from the first batches.

layer {
  name: "img_nomean"  type: "Python"
  bottom: "img"  top: "img_nomean"
  param { lr_mult: 0 }  param { lr_mult: 0 }  param { lr_mult: 0 }
  python_param {
    module: "caffe_pylayers.means"  layer: "SubtractRunningMean"
    param_str: "{iterations: 1000, mean_per_pixel: false}"
  }
}
layer {
  name: "img_nomean"  type: "Python"
  bottom: "img"  top: "img_nomean"
  python_param {
    module: "caffe_pylayers.means"  layer: "AddMean"
    param_str: "{mean: [104, 117, 123], mean_scale: -1}"
  }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.interpolated import Interpolated
from caffe_pylayers._layer.bases.learned import learn

__all__ = ["AddMean", "SubtractRunningMean", "center_taps", "running_mean"]

_EDGE = 1.05  # pixels from the end where flownet2 stops to read


def running_mean(mean, count, value):
    """Return the mean of count values, of which the first count - 1 have a mean, and this one is the last."""
    return (mean * (count - 1) + value) / count


def center_taps(before, after):
    """Return the taps of the middle of an axis, as flownet2 cuts it out: no further than 1.05 pixels from the end."""
    at = (np.arange(after) + (before - after) / 2).clip(0, max(before - _EDGE, 0))
    low, target = np.floor(at).astype(np.int64), np.arange(after)
    high = np.minimum(low + 1, before - 1)
    return np.concatenate([low, high]), np.concatenate([target, target]), np.concatenate([1 - at + low, at - low])


class SubtractRunningMean(Interpolated):
    """Images without their mean, which is learned from the first batches and kept in the weights.

    top = x - m; in each of the first `iterations` forwards, of training and test alike, m first becomes the mean of all
    batches so far. m is of each pixel, or of each channel.

    Bottom:
        [0] x (N, C, H, W)
    Top:
        [0] the shape of x, or of the middle that the parameter size cuts out
    Learned:
        [0] the number of forwards (1, 1, 1, 1); with iterations also [1] the mean of each pixel (1, C, H, W) and
            [2] that of each channel (1, C, 1, 1). The rate is to be 0
    Backward:
        d_x = d_top, where it is cut out the transposed weights: the mean counts as given.
    Raises:
        ValueError for a bottom that is no batch of maps, or smaller than size, for means of another number than the
        channels, and in place.
    References:
        DataAugmentation of lmb-freiburg/flownet2 in a deploy net, with its recompute_mean as iterations. A caffemodel's
        mean of pixels may have another height and width, mean_size: then its mean over these is taken, as there. Its
        mean counts with mean_per_pixel: false alone.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(SubtractRunningMean, [[[[[1, 3]]]]], param_str="{iterations: 1, mean_per_pixel: false}")
        >>> run.forward()[0]
        array([[[[-1.,  1.]]]])
    """

    iterations = Parameter(int, 0, low=0, doc="so many forwards learn the mean; 0: it is the parameter mean")
    mean_per_pixel = Parameter(bool, True, doc="with iterations, of each pixel; false: of each channel")
    mean = Parameter([float], (), doc="of each channel, without iterations")
    mean_size = Parameter((int, int), None, low=1, doc="height and width of blobs[1]; default: the top's")
    size = Parameter((int, int), None, low=1, doc="height and width of what is cut out of the middle; default: all")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "x")
        checks.tops(self, top, "centred")
        if self.iterations and self.mean:
            raise checks.error(self, "takes iterations or mean, not both")
        shape = self._shape(bottom[0].data)
        blobs = [np.zeros((1, 1, 1, 1))]
        if self.iterations:
            size = self.mean_size or self.size or shape[2:]
            blobs += [np.zeros((1, shape[1], *size)), np.zeros((1, shape[1], 1, 1))]
        learn(self, *blobs)

    def plan(self, x):
        shape = self._shape(x)
        after = self.size or shape[2:]
        if any(m > n for n, m in zip(shape[2:], after)):
            raise checks.error(self, f"bottom[0] (x) of {shape[2:]} has no middle of {tuple(after)}")
        given = self.blobs[2].shape[1] if self.iterations else len(self.mean) or shape[1]
        if given != shape[1]:
            raise checks.error(self, f"bottom[0] (x) has {shape[1]} channels, and there are {given} means")
        self._mean = arrays.from_numpy(np.reshape(self.mean, (1, -1, 1, 1)), x)
        taps = [center_taps(n, m) if self.size else None for n, m in zip(shape[2:], after)]
        return self.plan_taps(x, after, taps)

    def forward(self, bottom, top):
        super().forward(bottom, top)
        x = top[0].data
        count = self.blobs[0].data.reshape(-1)[0] + 1
        self.blobs[0].data[...] = count
        if not self.iterations:
            if self.mean:
                x -= self._mean
            return
        pixels, channels = self.blobs[1].data, self.blobs[2].data
        fits = pixels.shape[2:] == x.shape[2:]
        learns = count <= self.iterations
        if len(x) and (arrays.on_device(learns) or learns):
            for mean, learned in zip((pixels, channels), self._learned(pixels, channels, count, x.mean(0), fits)):
                mean[...] = self.xp.where(learns, learned, mean) if arrays.on_device(learns) else learned
        if not self.mean_per_pixel:
            x -= channels
        else:
            x -= pixels if fits else pixels.mean((2, 3)).reshape(channels.shape)

    def _learned(self, pixels, channels, count, batch, fits):
        """Return the means of each pixel and of each channel, with this batch."""
        if fits:
            pixels = running_mean(pixels, count, batch)
            return pixels, pixels.mean((2, 3)).reshape(channels.shape)
        channels = running_mean(channels, count, batch.mean((1, 2)).reshape(channels.shape))
        return channels, channels

    def _shape(self, x):
        shape = tuple(x.shape)
        if len(shape) != 4 or 0 in shape[1:]:
            raise checks.error(self, f"bottom[0] (x) must have the shape (N, C, H, W), got {shape}")
        return shape


class AddMean(Layer):
    """A known mean added to a blob, or with a scale of -1 subtracted from it, and scales of both.

    top = output_scale (input_scale x + mean_scale m), and m repeats over the channels.

    Bottom:
        [0] x (N, C, ...)
    Top:
        [0] the shape of x
    Backward:
        d_x = input_scale output_scale d_top.
    Raises:
        ValueError for channels that are no multiple of the means, and in place.
    References:
        Mean of lmb-freiburg/flownet2 with its mean_param, for one bottom; its value is the mean, and its SUBTRACT is
        a mean_scale of another sign; here with a gradient. A mean in a file is Caffe's transform_param mean_file.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(AddMean, [[[5, 7]]], param_str="{mean: [1, 2], mean_scale: -1}").forward()[0]
        array([[4., 5.]])
    """

    array_api = True

    mean = Parameter([float], length=(1, None), doc="m, of the channels in turn")
    mean_scale = Parameter(float, 1.0, doc="of m")
    input_scale = Parameter(float, 1.0, doc="of x")
    output_scale = Parameter(float, 1.0, doc="of the sum")

    def setup(self, bottom, top):
        checks.tops(self, top, "y")

    def plan(self, x):
        shape = tuple(x.shape)
        if len(shape) < 2 or shape[1] % len(self.mean):
            raise checks.error(self, f"bottom[0] (x) of shape {shape} needs a multiple of {len(self.mean)} channels")
        mean = np.resize(np.multiply(self.mean, self.output_scale * self.mean_scale), shape[1])
        self._mean = arrays.on_axis(arrays.from_numpy(mean, x), len(shape), 1)
        self._scale = self.input_scale * self.output_scale
        return [shape]

    def forward(self, bottom, top):
        self.xp.multiply(bottom[0].data, self._scale, out=top[0].data)
        top[0].data[...] += self._mean

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            self.xp.multiply(top[0].diff, self._scale, out=bottom[0].diff)

"""Normalizers that do not look beyond a sample: group, instance and layer norm, with learned scale and shift.

layer {
  name: "norm1"  type: "Python"
  bottom: "conv1"  top: "norm1"
  param { lr_mult: 1 decay_mult: 0 }
  param { lr_mult: 1 decay_mult: 0 }
  python_param { module: "caffe_pylayers.normalization"  layer: "GroupNorm"  param_str: "{'groups': 32}" }
}
"""

from __future__ import annotations

import math

import numpy as np

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.kept_input import KeptInput
from caffe_pylayers._layer.bases.learned import learn
from caffe_pylayers._layer.functions.standardize import standardize_backward, standardize_forward

__all__ = ["GroupNorm", "InstanceNorm", "LayerNorm", "standardize_backward", "standardize_forward"]


class _Normalizer(KeptInput):
    """y = scale z + shift, z normalized over the last two axes of the view (N, G, K, M) that a subclass gives."""

    array_api = True
    in_place = True

    eps = Parameter(float, 1e-5, above=0, doc="added to the variance, in the square of the bottom's unit")
    affine = Parameter(bool, True, doc="learn a scale and a shift")

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "x")
        checks.tops(self, top, "y")
        self.view(tuple(bottom[0].shape))
        if self.affine:
            shape = self.learned_shape(tuple(bottom[0].shape))
            learn(self, np.ones(shape), np.zeros(shape))

    def plan(self, x):
        shape = tuple(x.shape)
        self._view = self.view(shape)
        if self.affine and tuple(self.blobs[0].shape) != self.learned_shape(shape):
            raise checks.error(
                self,
                f"bottom[0] of shape {shape} needs a scale of shape {self.learned_shape(shape)}, but blobs[0] "
                f"was made with {tuple(self.blobs[0].shape)}",
            )
        return [shape]

    def forward(self, bottom, top):
        x, y = (blob.reshape(self._view) for blob in (self.keep_input(bottom, top), top[0].data))
        if 0 not in self._view:
            scale, shift = self._learned("data")
            self._mean, self._inverse = standardize_forward(self.xp, x, scale, shift, self.eps, y)

    def backward(self, top, propagate_down, bottom):
        if 0 in self._view:
            return
        x, d_y = (blob.reshape(self._view) for blob in (self.input(bottom), top[0].diff))
        d_x = bottom[0].diff.reshape(self._view) if propagate_down[0] else None
        (scale, _), diffs = self._learned("data"), self._learned("diff")
        standardize_backward(self.xp, x, self._mean, self._inverse, scale, d_y, d_x, *diffs)

    def _learned(self, which):
        """Return data or diff of scale and shift, in a shape that broadcasts to the view; None without them."""
        if not self.affine:
            return None, None
        return [getattr(self.blobs[i], which).reshape(1, *self._view[1:3], 1) for i in (0, 1)]


class _ChannelNormalizer(_Normalizer):
    """Groups of channels: the view is (N, G, C / G, H W), the scale of the channels."""

    def learned_shape(self, shape):
        return shape[1:2]

    def view(self, shape):
        if len(shape) < 2:
            raise checks.error(self, f"bottom[0] must have the shape (N, C, ...), got {shape}")
        groups = self.groups_of(shape[1])
        if not groups or shape[1] % groups:
            raise checks.error(self, f"bottom[0] of shape {shape} has {shape[1]} channels, not a multiple of {groups}")
        return (shape[0], groups, shape[1] // groups, math.prod(shape[2:]))


class GroupNorm(_ChannelNormalizer):
    """Normalizes each group of channels of a sample: as good with batches of two as of two hundred.

    y = scale z + shift, z = (x - mean) / sqrt(variance + eps) with the mean and the variance of a
    group of C / groups channels over all positions of a sample, scale and shift of each channel.

    Bottom:
        [0] x (N, C, ...)
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Learned:
        [0] scale (C,), 1 at first; [1] shift (C,), 0 at first; none without affine
    Backward:
        d_x = (d_z - mean(d_z) - z mean(d_z z)) / sqrt(variance + eps), d_z = scale d_y; added to the
        learned ones' diffs: sum(d_y z) and sum(d_y).
    Raises:
        ValueError for channels that groups does not divide.
    References:
        Wu and He, "Group Normalization", 2018, arXiv:1803.08494; torch.nn.functional.group_norm. TRAIN
        and TEST are alike: there are no running statistics, and no Scale layer need follow.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(GroupNorm, [[[1.0, 3, 10, 30]]], param_str='{"groups": 2}')
        >>> run.forward()[0].round(3)
        array([[-1.,  1., -1.,  1.]])
    """

    groups = Parameter(int, 32, low=1, doc="G, divides the number of channels; 1: all of them together")

    def groups_of(self, channels):
        return self.groups


class InstanceNorm(_ChannelNormalizer):
    """Normalizes each channel of a sample over its positions: style transfer and generation of images.

    y = scale z + shift, z = (x - mean) / sqrt(variance + eps) with the mean and the variance of a
    channel over all positions of a sample, scale and shift of each channel.

    Bottom:
        [0] x (N, C, ...)
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Learned:
        [0] scale (C,), 1 at first; [1] shift (C,), 0 at first; none without affine
    Backward:
        d_x = (d_z - mean(d_z) - z mean(d_z z)) / sqrt(variance + eps), d_z = scale d_y; added to the
        learned ones' diffs: sum(d_y z) and sum(d_y).
    Raises:
        ValueError for a bottom without channels.
    References:
        Ulyanov et al., "Instance Normalization", 2016, arXiv:1607.08022; torch.nn.functional.instance_norm,
        where affine is off by default. Caffe's MVN is this without affine, but divides by
        sqrt(variance) + eps.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(InstanceNorm, [[[[1.0, 3], [10, 30]]]])
        >>> run.forward()[0].round(3)
        array([[[-1.,  1.],
                [-1.,  1.]]])
    """

    def groups_of(self, channels):
        return channels


class LayerNorm(_Normalizer):
    """Normalizes all values of a sample, or those from an axis on: recurrent nets and transformers.

    y = scale z + shift, z = (x - mean) / sqrt(variance + eps) with the mean and the variance over the
    axes from axis on, scale and shift of each value there.

    Bottom:
        [0] x, any shape; the sizes from axis on are those it is made for
    Top:
        [0] y, the shape of x; may be the bottom, in place
    Learned:
        [0] scale, of x's shape from axis on, 1 at first; [1] shift, 0 at first; none without affine
    Backward:
        d_x = (d_z - mean(d_z) - z mean(d_z z)) / sqrt(variance + eps), d_z = scale d_y; added to the
        learned ones' diffs: sum(d_y z) and sum(d_y).
    Raises:
        ValueError for an axis that the bottom has not, and for sizes other than those of the first.
    References:
        Ba et al., "Layer Normalization", 2016, arXiv:1607.06450; torch.nn.functional.layer_norm, whose
        normalized_shape is that from axis on: axis -1 for (T, N, C) of recurrent nets.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(LayerNorm, [[[1.0, 3], [10, 30]]])
        >>> run.forward()[0].round(3)
        array([[-1.,  1.],
               [-1.,  1.]])
    """

    axis = Parameter(int, 1, doc="the first axis that is normalized over; negative counts from the end")

    def learned_shape(self, shape):
        return shape[self.axis :]

    def view(self, shape):
        axis = checks.axis(self, self.axis, len(shape), f"bottom[0] of shape {shape}")
        return (math.prod(shape[:axis]), 1, math.prod(shape[axis:]), 1)

"""Batches that are harder: with holes in the images, or two samples mixed into one; in the TRAIN phase alone.

layer {
  name: "cutout"  type: "Python"
  bottom: "data"  top: "cut"
  python_param { module: "caffe_pylayers.mixing"  layer: "Cutout"  param_str: '{"hole_size": 8}' }
}
layer {
  name: "mixup"  type: "Python"
  bottom: "data"  bottom: "one_hot_label"  top: "mixed"  top: "mixed_label"
  python_param { module: "caffe_pylayers.mixing"  layer: "Mixup"  param_str: '{"alpha": 0.2}' }
}
"""

from __future__ import annotations

import numpy as np

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.bases.pass_through import PassThrough, copy
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter
from caffe_pylayers._layer.phases import TRAIN

__all__ = ["Cutout", "Mixup", "holes_cover", "mix_backward", "mix_forward"]


def holes_cover(xp, tops, lefts, hole_size, like):
    """Return how many square holes cover each pixel, (N, 1, H, W).

    tops, lefts: int, (N, holes), numpy: where each hole begins; it may reach beyond the image.
    like: (N, C, H, W), for the size.
    """
    _, _, height, width = like.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)
    rows = (rows >= tops[:, None]) & (rows < tops[:, None] + hole_size)
    columns = (columns >= lefts[..., None]) & (columns < lefts[..., None] + hole_size)
    return xp.matmul(arrays.from_numpy(rows, like), arrays.from_numpy(columns, like))[:, None]


def mix_forward(xp, values, share, partner, out):
    """Write share * values + (1 - share) * values[partner].

    share: broadcasts to values.
    partner: int64, a permutation of the samples.
    """
    xp.multiply(values, share, out=out)
    out += values[partner] * (1 - share)


def mix_backward(xp, d_out, share, inverse, d_values):
    """Write the gradient of mix_forward's values.

    inverse: int64, the permutation that undoes partner.
    """
    xp.multiply(d_out, share, out=d_values)
    d_values += (d_out * (1 - share))[inverse]


class Cutout(PassThrough):
    """Square holes at random places of each image.

    y = fill_value inside the holes and x elsewhere; a hole's centre is anywhere in the image, so that
    some of it may lie outside. In the TEST phase y = x.

    Bottom:
        [0] images x (N, C, H, W)
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        d_x = d_y, and 0 inside the holes of the last forward.
    Raises:
        ValueError for a bottom without four axes.
    References:
        DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
        2017, arXiv:1708.04552. Random erasing has holes of other shapes, for some of the images.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(Cutout, [np.ones((1, 1, 3, 5))], param_str='{"hole_size": 2, "seed": 2}').forward()[0][0, 0]
        array([[1., 1., 1., 1., 1.],
               [0., 0., 1., 1., 1.],
               [0., 0., 1., 1., 1.]])
    """

    hole_size = Parameter(int, low=1, doc="the holes' side, in pixels")
    holes = Parameter(int, 1, low=1, doc="the number of holes in an image")
    fill_value = Parameter(float, 0.0, doc="the value inside")
    seed = seed_parameter()

    def setup(self, bottom, top):
        checks.tops(self, top, "images")
        self._draws = Draws(self.seed)

    def plan(self, images):
        if len(images.shape) != 4:
            raise checks.error(self, f"bottom[0] (images) must have shape (N, C, H, W), got {tuple(images.shape)}")
        return [images.shape]

    def forward(self, bottom, top):
        images = bottom[0].data
        if self.phase != TRAIN or 0 in images.shape:
            super().forward(bottom, top)
            return
        shape = images.shape[0], self.holes
        tops, lefts = (self._draws.host.integers(0, size, shape) - self.hole_size // 2 for size in images.shape[2:])
        self._inside = holes_cover(self.xp, tops, lefts, self.hole_size, images) > 0
        top[0].data[...] = self.xp.where(
            self._inside, self.xp.full_like(images[:1, :1, :1, :1], self.fill_value), images
        )

    def backward(self, top, propagate_down, bottom):
        super().backward(top, propagate_down, bottom)
        if propagate_down[0] and self.phase == TRAIN and 0 not in top[0].diff.shape:
            bottom[0].diff[...] *= ~self._inside


class Mixup(Layer):
    """Each sample mixed with another of its batch, and their labels alike.

    y_n = l x_n + (1 - l) x_p(n), with l from Beta(alpha, alpha), and p a permutation; in the TEST
    phase y = x.

    Bottom:
        [0] data x (N, ...)
        [1] labels, optional, (N, C): one-hot codes, or other targets of which a mean has a meaning
    Top:
        One for each bottom, of its shape.
    Backward:
        d_x_n = l d_y_n + (1 - l) d_y_m with p(m) = n, of labels too; l and p are the last forward's.
    Raises:
        ValueError for labels of another N, for another number of tops than bottoms, and in place.
    References:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, arXiv:1710.09412. Mixed
        labels ask for a loss that takes them: cross entropy with soft targets, or the Euclidean.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(Mixup, [[[0.0], [10.0]], [[1, 0], [0, 1]]], tops=2, param_str='{"seed": 3}')
        >>> data, labels = run.forward()
        >>> bool(abs(data[0, 0] - 10 * labels[0, 1]) < 1e-9), bool(abs(labels.sum() - 2) < 1e-9)
        (True, True)
    """

    array_api = True

    alpha = Parameter(float, 0.2, above=0, doc="of the Beta distribution: below 1 mostly one sample; 1: any share")
    per_sample = Parameter(bool, False, doc="true: each sample has an l of its own; false: the batch has one")
    seed = seed_parameter()

    def setup(self, bottom, top):
        checks.bottoms(self, bottom, "data", "labels", optional=1)
        checks.tops(self, top, *("data", "labels")[: len(bottom)])
        self._draws = Draws(self.seed)

    def plan(self, data, labels=None):
        shapes = [tuple(x.shape) for x in (data, labels) if x is not None]
        if not shapes[0] or shapes[-1][:1] != shapes[0][:1]:
            raise checks.error(
                self, f"bottom[1] (labels) must have the first size of bottom[0] {shapes[0]}, got {shapes[-1]}"
            )
        return shapes

    def forward(self, bottom, top):
        if self.phase != TRAIN:
            for i in range(len(bottom)):
                copy(bottom[i].data, top[i].data)
            return
        self._mix(bottom[0].data)
        for i in range(len(bottom)):
            mix_forward(self.xp, bottom[i].data, self._share_of(bottom[i].data), self._partner, top[i].data)

    def backward(self, top, propagate_down, bottom):
        for i in range(len(bottom)):
            if propagate_down[i] and self.phase != TRAIN:
                copy(top[i].diff, bottom[i].diff)
            elif propagate_down[i]:
                share = self._share_of(top[i].diff)
                mix_backward(self.xp, top[i].diff, share, self._inverse, bottom[i].diff)

    def _mix(self, data):
        samples, random = data.shape[0], self._draws.host
        partner = random.permutation(samples)
        share = random.beta(self.alpha, self.alpha, samples if self.per_sample else 1)
        self._share = arrays.from_numpy(share, data)
        self._partner = arrays.index_like(partner, data)
        self._inverse = arrays.index_like(np.argsort(partner), data)

    def _share_of(self, values):
        """Return each sample's share, with the axes of its values."""
        return self._share.reshape(-1, *(1,) * (len(values.shape) - 1))

"""Noise that regularises: in the TRAIN phase alone, in the TEST phase these layers pass on what comes.

layer {
  name: "drop"  type: "Python"
  bottom: "conv"  top: "conv"
  python_param { module: "caffe_pylayers.noise"  layer: "SpatialDropout"  param_str: '{"dropout_ratio": 0.2}' }
}
layer {
  name: "path"  type: "Python"
  bottom: "branch"  top: "path"
  python_param { module: "caffe_pylayers.noise"  layer: "DropPath"  param_str: '{"dropout_ratio": 0.1}' }
}
layer {
  name: "drop"  type: "Python"
  bottom: "selu"  top: "selu"
  python_param { module: "caffe_pylayers.noise"  layer: "AlphaDropout"  param_str: '{"dropout_ratio": 0.1}' }
}
layer {
  name: "noise"  type: "Python"
  bottom: "data"  top: "noisy"
  python_param { module: "caffe_pylayers.noise"  layer: "GaussianNoise"  param_str: '{"stddev": 0.1}' }
}
"""

from __future__ import annotations

from caffe_pylayers._layer import arrays, checks
from caffe_pylayers._layer.base import Parameter
from caffe_pylayers._layer.bases.pass_through import PassThrough, copy
from caffe_pylayers._layer.functions.draws import Draws, seed_parameter
from caffe_pylayers._layer.phases import TRAIN

__all__ = [
    "AlphaDropout",
    "DropPath",
    "GaussianNoise",
    "SpatialDropout",
    "alpha_dropout_terms",
    "dropout_backward",
    "dropout_factors",
    "dropout_forward",
    "gaussian_noise_backward",
    "gaussian_noise_forward",
]


def dropout_factors(uniform, p, scaled=True):
    """Return m, or m / (1 - p) where scaled; m is 0 where a number, uniform in [0, 1), is below p, else 1."""
    return (uniform >= p) / (1 - p if scaled and p < 1 else 1.0)


def dropout_forward(xp, x, factors, y):
    """Write y = x factors, which broadcast to x."""
    xp.multiply(x, factors, out=y)


def dropout_backward(xp, factors, d_y, d_x):
    """Write d_x = d_y factors."""
    xp.multiply(d_y, factors, out=d_x)


def alpha_dropout_terms(uniform, p, alpha):
    """Return (factors, shifts) of y = x factors + shifts = a (x m + alpha (1 - m)) + b, m as dropout_factors has it.

    a and b keep a mean of 0 and a variance of 1: a = ((1 - p) (1 + p alpha^2))^(-1/2), b = -a p alpha; for p = 1, where
    there is nothing to keep, a = 0.
    """
    kept = dropout_factors(uniform, p, scaled=False)
    a = ((1 - p) * (1 + p * alpha**2)) ** -0.5 if p < 1 else 0.0
    return a * kept, a * alpha * (1 - kept) - a * p * alpha


def gaussian_noise_forward(xp, x, noise, y, multiply=False):
    """Write y = x + noise, or x (1 + noise)."""
    if multiply:
        xp.multiply(x, 1 + noise, out=y)
    else:
        xp.add(x, noise, out=y)


def gaussian_noise_backward(xp, noise, d_y, d_x, multiply=False):
    """Write d_x = d_y, or d_y (1 + noise)."""
    if multiply:
        xp.multiply(d_y, 1 + noise, out=d_x)
    else:
        copy(d_y, d_x)


class _Noise(PassThrough):
    """Draws something in each forward of the TRAIN phase.

    A subclass has

        def draw(self, x):                   # take what is drawn for x
        def noisy_forward(self, x, y):       # write y
        def noisy_backward(self, d_y, d_x):  # write d_x
    """

    seed = seed_parameter()

    def setup(self, bottom, top):
        checks.tops(self, top, "top")
        self._draws = Draws(self.seed)

    def forward(self, bottom, top):
        if self.phase != TRAIN:
            super().forward(bottom, top)
            return
        self.draw(bottom[0].data)
        self.noisy_forward(bottom[0].data, top[0].data)

    def backward(self, top, propagate_down, bottom):
        if self.phase != TRAIN:
            super().backward(top, propagate_down, bottom)
        elif propagate_down[0]:
            self.noisy_backward(top[0].diff, bottom[0].diff)


class _Dropout(_Noise):
    """Drops what shares its first ``axes`` indices together."""

    dropout_ratio = Parameter(float, 0.5, low=0, high=1, doc="p, the probability to be dropped")
    scale_train = Parameter(bool, True, doc="true: what is kept is divided by 1 - p, so that the mean stays")

    def plan(self, x):
        shape = tuple(x.shape)
        if len(shape) < self.axes:
            raise checks.error(self, f"bottom[0] must have at least {self.axes} axes, got shape {shape}")
        self._dropped = (*shape[: self.axes], *(1,) * (len(shape) - self.axes))
        return [shape]

    def draw(self, x):
        uniform = self._draws.host.random(self._dropped)
        self._factors = arrays.from_numpy(dropout_factors(uniform, self.dropout_ratio, self.scale_train), x)

    def noisy_forward(self, x, y):
        dropout_forward(self.xp, x, self._factors, y)

    def noisy_backward(self, d_y, d_x):
        dropout_backward(self.xp, self._factors, d_y, d_x)


class SpatialDropout(_Dropout):
    """Dropout of whole channels: neighbours in a map are too alike for dropping them one by one to tell.

    y_nc = x_nc m_nc / (1 - p), m_nc = 0 with probability p, else 1; in the TEST phase y = x.

    Bottom:
        [0] x (N, C, ...)
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        d_x = d_y m / (1 - p), with the m of the last forward.
    Raises:
        ValueError for a bottom of less than two axes.
    References:
        Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015,
        arXiv:1411.4280. torch's Dropout2d, Keras's SpatialDropout2D; of (N, C) it is Caffe's Dropout.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(SpatialDropout, [np.ones((1, 4, 1, 3))], param_str="seed: 1").forward()[0][0, :, 0]
        array([[2., 2., 2.],
               [2., 2., 2.],
               [0., 0., 0.],
               [2., 2., 2.]])
    """

    axes = 2


class DropPath(_Dropout):
    """Stochastic depth: leaves out whole samples, of a residual branch before its addition.

    y_n = x_n m_n / (1 - p), m_n = 0 with probability p, else 1; in the TEST phase y = x.

    Bottom:
        [0] x (N, ...)
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        d_x = d_y m / (1 - p), with the m of the last forward.
    Raises:
        ValueError for a bottom without an axis.
    References:
        Huang et al., "Deep Networks with Stochastic Depth", 2016, arXiv:1603.09382: a p that grows
        with the depth, and one coin for the batch; a coin for each sample is that of Larsson et
        al., "FractalNet", 2017, arXiv:1605.07648, and of torchvision's stochastic_depth "row".
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> LayerRun(DropPath, [[[1, 2], [3, 4], [5, 6], [7, 8]]], param_str="seed: 1").forward()[0]
        array([[ 2.,  4.],
               [ 6.,  8.],
               [ 0.,  0.],
               [14., 16.]])
    """

    axes = 1


class AlphaDropout(_Noise):
    """Dropout behind SELU: what is dropped gets the value that SELU goes to, and mean 0 and variance 1 stay.

    y = a (x m + alpha (1 - m)) + b, m = 0 with probability p, else 1; a = ((1 - p) (1 + p alpha^2))^(-1/2),
    b = -a p alpha. In the TEST phase y = x.

    Bottom:
        [0] x, of any shape
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        d_x = d_y a m, with the m of the last forward.
    Raises:
        ValueError for a dropout_ratio outside [0, 1].
    References:
        Klambauer et al., "Self-Normalizing Neural Networks", 2017, arXiv:1706.02515. torch's AlphaDropout; SeLuDropout
        of the nets of soeaver/caffe-model.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> text = "{dropout_ratio: 0.5, seed: 1}"
        >>> LayerRun(AlphaDropout, [np.zeros((1, 4))], param_str=text).forward()[0].round(4)
        array([[ 0.7792,  0.7792, -0.7792,  0.7792]])
    """

    dropout_ratio = Parameter(float, 0.1, low=0, high=1, doc="p, the probability to be dropped; of 1: y = 0")
    alpha = Parameter(float, -1.7580993408473766, doc="the value of what is dropped; SELU's -lambda alpha")

    def plan(self, x):
        return [tuple(x.shape)]

    def draw(self, x):
        uniform = self._draws.host.random(tuple(x.shape))
        terms = alpha_dropout_terms(uniform, self.dropout_ratio, self.alpha)
        self._factors, self._shifts = (arrays.from_numpy(term, x) for term in terms)

    def noisy_forward(self, x, y):
        dropout_forward(self.xp, x, self._factors, y)
        self.xp.add(y, self._shifts, out=y)

    def noisy_backward(self, d_y, d_x):
        dropout_backward(self.xp, self._factors, d_y, d_x)


class GaussianNoise(_Noise):
    """Gaussian noise, added or multiplied.

    y = x + s n, or y = x (1 + s n), with n of mean 0 and deviation 1; in the TEST phase y = x.

    Bottom:
        [0] x, any shape
    Top:
        [0] y, the shape of x; may be the bottom
    Backward:
        d_x = d_y; multiplied: d_x = d_y (1 + s n), with the n of the last forward.
    Raises:
        Nothing of its own.
    References:
        Keras's GaussianNoise; multiplied with s = sqrt(p / (1 - p)) it is the Gaussian dropout of
        Srivastava et al., "Dropout", 2014, https://jmlr.org/papers/v15/srivastava14a.html. Published
        noise layers add it in the TEST phase, too.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> run = LayerRun(GaussianNoise, [np.ones((100, 100))], param_str='{"stddev": 0.5, "seed": 1}')
        >>> round(float(run.forward()[0].std()), 1)
        0.5
    """

    stddev = Parameter(float, 0.1, low=0, doc="s, the noise's standard deviation")
    multiply = Parameter(bool, False, doc="true: y = x (1 + s n)")

    def plan(self, x):
        self._noise = self.xp.empty_like(x)
        return [x.shape]

    def draw(self, x):
        self._draws.normal(self._noise)
        self._noise *= self.stddev

    def noisy_forward(self, x, y):
        gaussian_noise_forward(self.xp, x, self._noise, y, self.multiply)

    def noisy_backward(self, d_y, d_x):
        gaussian_noise_backward(self.xp, self._noise, d_y, d_x, self.multiply)

"""How alike two images are: PSNR and SSIM, measured, and SSIM as a loss.

    layer {
      name: "ssim_loss"  type: "Python"
      bottom: "restored"  bottom: "image"  top: "ssim_loss"
      python_param { module: "caffe_pylayers.image_quality"  layer: "SSIMLoss"  param_str: "{'data_range': 1}" }
      loss_weight: 1
    }
    layer {
      name: "psnr"  type: "Python"
      bottom: "restored"  bottom: "image"  top: "psnr"
      python_param { module: "caffe_pylayers.image_quality"  layer: "PSNR"  param_str: "{'data_range': 1}" }
      include { phase: TEST }
    }

Caffe gives a Python layer no default loss weight: without ``loss_weight`` it trains nothing.
"""

from __future__ import annotations

import math

from caffe_pylayers._layer import checks
from caffe_pylayers._layer.base import Layer, Parameter
from caffe_pylayers._layer.blocks import blocks
from caffe_pylayers._layer.functions.ssim import gaussian_window, ssim_backward, ssim_forward
from caffe_pylayers._layer.metrics.metric import Metric

__all__ = ["PSNR", "SSIM", "SSIMLoss", "gaussian_window", "psnr_forward", "ssim_backward", "ssim_forward"]

_RANGE = Parameter(
    float, 255.0, low=1e-4, high=1e6, doc="the largest value less the smallest that pixels can have: 255, or 1"
)


def psnr_forward(xp, images, references, data_range=255.0):
    """Return 10 log10(data_range**2 / mean squared difference) of each image, (N,): infinite for equal ones.

    images, references: (N, M).
    """
    differences = (images - references) / data_range
    errors = (differences * differences).mean(1)
    equal = errors == 0
    errors[equal] = 1
    decibels = xp.log10(errors) * -10
    decibels[equal] = math.inf
    return decibels


def check_numbers(layer, bottom):
    """Raise where images or references are not finite."""
    checks.numbers(layer, "bottom[0] (images)", bottom[0].data)
    checks.numbers(layer, "bottom[1] (references)", bottom[1].data)


class PSNR(Metric):
    """Peak signal-to-noise ratio in decibels, the mean over the images of a test pass.

    psnr = 10 log10(data_range**2 / mean((x - y)**2)) of each image.

    Bottom:
        [0] images x, (N, ...) such as (N, C, H, W)
        [1] references y, as many values and the same N
    Top:
        [0] psnr (1,): see the parameter report; infinite once an image equals its reference
    Backward:
        Zeros: EuclideanLossLayer is the loss to minimize.
    Raises:
        ValueError for shapes that do not fit, and for pixels that are not finite.
    References:
        skimage.metrics.peak_signal_noise_ratio, averaged over images as benchmarks of restoration do.
    Example:
        >>> from caffe_pylayers.testing import LayerRun
        >>> images, references = [[0.0, 0.0], [0.1, 0.1]], [[0.1, 0.1], [0.11, 0.11]]
        >>> LayerRun(PSNR, [images, references], param_str='{"data_range": 1}').forward()[0].round(6)  # 20 and 40 dB
        array([30.])
    """

    array_api = True

    data_range = _RANGE

    def setup(self, bottom, top):
        checks.tops(self, top, "psnr")

    def plan(self, images, references):
        checks.one_target_each(self, "bottom[1] (references)", references.shape, "bottom[0] (images)", images.shape)
        batch = images.shape[0]
        self._rows = batch, math.prod(images.shape) // max(batch, 1)
        return [(1,)]

    def start(self):
        self._sum, self._images = 0.0, 0

    def update(self, bottom):
        check_numbers(self, bottom)
        images, references = (bottom[i].data.reshape(self._rows) for i in (0, 1))
        if self._rows[0]:
            self._sum += float(psnr_forward(self.xp, images, references, self.data_range).sum())
        self._images += self._rows[0]

    def values(self):
        return [[self._sum / self._images if self._images else math.nan]]


class _Similarity(Layer):
    """What SSIM and SSIMLoss share: the window, the constants, and the means of images."""

    data_range = _RANGE
    window = Parameter(int, 11, low=1, doc="height and width of the Gaussian window, in pixels")
    sigma = Parameter(float, 1.5, above=0, doc="its standard deviation, in pixels")
    k1 = Parameter(float, 0.01, low=1e-4, high=1, doc="steadies the quotient of dark windows: c1 = (k1 data_range)**2")
    k2 = Parameter(float, 0.03, low=1e-4, high=1, doc="steadies the quotient of flat windows: c2 = (k2 data_range)**2")

    def plan(self, images, references):
        shape = tuple(images.shape)
        checks.same_shape(self, "bottom[1] (references)", references.shape, "bottom[0] (images)", shape)
        if len(shape) < 3 or min(shape[-2:]) < self.window:
            raise checks.error(
                self,
                f"bottom[0] (images) must have the shape (N, ..., H, W) with H and W of at least the window, "
                f"{self.window}, got {shape}",
            )
        self._window = gaussian_window(self.window, self.sigma)
        self._constants = (self.k1 * self.data_range) ** 2, (self.k2 * self.data_range) ** 2
        self._blocks = blocks(images, [len(shape) - 2, len(shape) - 1])
        inside = math.prod(n - self.window + 1 for n in shape[-2:])
        self._windows = math.prod(shape[:-2]) * inside  # of the batch
        return [(1,)]

    def similarities(self, bottom):
        """Yield block by block the SSIM in each window with its terms."""
        for block in self._blocks:
            pair = bottom[0].data[block], bottom[1].data[block]
            yield ssim_forward(self.xp, *pair, self._window, *self._constants)

    def mean(self, parts):
        """Return the mean SSIM of the batch's windows; 1 without any."""
        if not self._windows:
            return 1.0
        return self.xp.stack([terms.ssim.sum() for terms in parts]).sum() / self._windows


class SSIM(_Similarity, Metric):
    """Structural similarity, the mean over the images of a test pass: 1 for equal images.

    ssim = (2 mx my + c1) (2 cov + c2) / ((mx**2 + my**2 + c1) (vx + vy + c2)) in each Gaussian window
    that lies wholly inside, with the means m, variances v and covariance of its pixels; and the mean
    over windows, channels and images.

    Bottom:
        [0] images x, (N, C, H, W) or (N, H, W)
        [1] references y, the shape of x
    Top:
        [0] ssim (1,): see the parameter report
    Backward:
        Zeros: SSIMLoss is the loss to minimize.
    Raises:
        ValueError for shapes that do not fit, for images smaller than the window, and for pixels that are
        not finite.
    References:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004,
        doi:10.1109/TIP.2003.819861, with its window and constants; there an image is first halved until
        it is about 256 pixels high. skimage.metrics.structural_similarity with gaussian_weights and
        without use_sample_covariance.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> image = np.arange(256.0).reshape(1, 1, 16, 16)
        >>> LayerRun(SSIM, [image, image]).forward()[0]
        array([1.])
        >>> LayerRun(SSIM, [image, 255 - image]).forward()[0].round(4)
        array([-0.8262])
    """

    array_api = True

    def setup(self, bottom, top):
        checks.tops(self, top, "ssim")

    def start(self):
        self._sum, self._images = 0.0, 0

    def update(self, bottom):
        check_numbers(self, bottom)
        images = len(bottom[0].data)
        self._sum += float(self.mean(self.similarities(bottom))) * images
        self._images += images

    def values(self):
        return [[self._sum / self._images if self._images else math.nan]]


class SSIMLoss(_Similarity):
    """One minus the structural similarity, for restoration that keeps edges and contrast.

    loss = 1 - mean of ssim over windows, channels and images, with SSIM's ssim. Beside L1Loss, with
    loss weights of 0.84 and 0.16 or so, colours stay right too.

    Bottom:
        [0] images x, (N, C, H, W) or (N, H, W)
        [1] references y, the shape of x
    Top:
        [0] loss (1,), between 0 and 2
    Backward:
        d_x = -g d_ssim / (d_x W) with W windows in the batch, d_y alike; with the loss weight in
        g = top[0].diff[0].
    Raises:
        ValueError for shapes that do not fit, and for images smaller than the window.
    References:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004,
        doi:10.1109/TIP.2003.819861; Zhao et al., "Loss Functions for Image Restoration with Neural
        Networks", 2017, doi:10.1109/TCI.2016.2644865, for the mixture. Flat images have a gradient too.
    Example:
        >>> import numpy as np
        >>> from caffe_pylayers.testing import LayerRun
        >>> image = np.arange(256.0).reshape(1, 1, 16, 16)
        >>> run = LayerRun(SSIMLoss, [image, 255 - image])
        >>> run.forward()[0].round(4)
        array([1.8262])
        >>> d_x, d_y = run.backward([1])
        >>> np.allclose(d_x, d_y[..., ::-1, ::-1])
        True
    """

    array_api = True

    def setup(self, bottom, top):
        checks.tops(self, top, "loss")

    def forward(self, bottom, top):
        self._terms = list(self.similarities(bottom))
        top[0].data[...] = 1 - self.mean(self._terms)

    def backward(self, top, propagate_down, bottom):
        wrt = propagate_down[:2]
        if not any(wrt):
            return
        d_ssim = -top[0].diff[0] / max(self._windows, 1)
        for block, terms in zip(self._blocks, self._terms):
            pair = bottom[0].data[block], bottom[1].data[block]
            diffs = ssim_backward(self.xp, *pair, terms, d_ssim, self._window, wrt)
            for blob, diff in zip((bottom[0], bottom[1]), diffs):
                if diff is not None:
                    blob.diff[block] = diff

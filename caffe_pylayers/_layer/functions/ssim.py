"""Structural similarity of images, and its gradient."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import numpy as np

from caffe_pylayers._layer import arrays

__all__ = ["Terms", "blur", "blur_backward", "gaussian_window", "ssim_backward", "ssim_forward"]

_TILE = 64  # outputs of one product: of more, most of a matrix would be zeros


def gaussian_window(size: int, sigma: float) -> list[float]:
    """Return the weights of a Gaussian window along one axis; their sum is 1."""
    squares = (np.arange(size) - (size - 1) / 2) ** 2
    weights = np.exp((squares.min() - squares) / (2 * sigma**2))  # 1 next to the middle, however small sigma is
    return (weights / weights.sum()).tolist()  # type: ignore[no-any-return]


def blur(xp: Any, images: Any, window: Sequence[float]) -> Any:
    """Return the weighted means in windows wholly inside the images, (..., H, W) to (..., H - n + 1, W - n + 1).

    Along an axis it is the product with a matrix of the window's shifts, tile by tile: in a third of
    the time that the sum of shifted images takes.
    """
    last = len(window) - 1
    rows = xp.empty_like(images[..., last:, :])
    for start, shifts in _tiles(rows.shape[-2], window, images):
        stop = start + len(shifts)
        rows[..., start:stop, :] = shifts @ images[..., start : stop + last, :]
    means = xp.empty_like(rows[..., last:])
    for start, shifts in _tiles(means.shape[-1], window, images):
        stop = start + len(shifts)
        means[..., start:stop] = rows[..., start : stop + last] @ shifts.T
    return means


def blur_backward(xp: Any, d_means: Any, window: Sequence[float]) -> Any:
    """Return d_images of blur."""
    last, (*outer, high, wide) = len(window) - 1, d_means.shape
    d_rows = arrays.new(d_means, (*outer, high, wide + last))
    arrays.fill(d_rows, 0)
    for start, shifts in _tiles(wide, window, d_means):
        stop = start + len(shifts)
        d_rows[..., start : stop + last] += d_means[..., start:stop] @ shifts
    d_images = arrays.new(d_means, (*outer, high + last, wide + last))
    arrays.fill(d_images, 0)
    for start, shifts in _tiles(high, window, d_means):
        stop = start + len(shifts)
        d_images[..., start : stop + last, :] += shifts.T @ d_rows[..., start:stop, :]
    return d_images


def _tiles(outputs: int, window: Sequence[float], like: Any) -> Any:
    """Yield the first output of each tile, and the matrix that makes the tile's k outputs of k + n - 1 inputs."""
    for start in range(0, outputs, _TILE):
        k = min(_TILE, outputs - start)
        shifted = np.resize([*window, *[0.0] * k], (k, k + len(window) - 1))  # repeated, a row is one value longer
        yield start, arrays.from_numpy(shifted, like)


class Terms(NamedTuple):
    """What SSIM is made of in each window: of x + y and x - y, so that flat areas lose no digits.

    mean_sum, mean_apart: the means of x + y and of x - y. variance: that of x - y.
    b1, b2: mx**2 + my**2 + c1 and vx + vy + c2.
    """

    mean_sum: Any
    mean_apart: Any
    variance: Any
    b1: Any
    b2: Any

    @property
    def luminance(self) -> Any:
        """(2 mx my + c1) / b1"""
        return 1 - self.mean_apart * self.mean_apart / self.b1

    @property
    def structure(self) -> Any:
        """(2 cov + c2) / b2"""
        return 1 - self.variance / self.b2

    @property
    def ssim(self) -> Any:
        """The similarity, 1 for equal windows."""
        return self.luminance * self.structure


def ssim_forward(xp: Any, x: Any, y: Any, window: Sequence[float], c1: float, c2: float) -> Terms:
    """Return the terms of the SSIM of two images in each window, for

        ssim = (2 mx my + c1) (2 cov + c2) / ((mx**2 + my**2 + c1) (vx + vy + c2))
             = (1 - (mx - my)**2 / (mx**2 + my**2 + c1)) (1 - v(x - y) / (vx + vy + c2))

    with the means m, the variances v and the covariance of a window, all weighted by it.

    x, y: (..., H, W). window: its weights along either axis.
    """
    apart = x - y
    maps = xp.stack([x + y, apart, x * x + y * y, apart * apart])
    mean_sum, mean_apart, mean_squares, mean_errors = blur(xp, maps, window)
    error = mean_apart * mean_apart
    squares = (mean_sum * mean_sum + error) / 2
    return Terms(mean_sum, mean_apart, mean_errors - error, squares + c1, mean_squares - squares + c2)


def ssim_backward(
    xp: Any, x: Any, y: Any, terms: Terms, d_ssim: Any, window: Sequence[float], wrt: Sequence[bool] = (True, True)
) -> list[Any]:
    """Return [d_x, d_y] of ssim_forward, None for one that wrt does not ask for."""
    mean_sum, mean_apart, variance, b1, b2 = terms
    d_error, d_variance = -d_ssim * terms.structure / b1, -d_ssim * terms.luminance / b2
    d_b1, d_b2 = -d_error * mean_apart * mean_apart / b1, -d_variance * variance / b2
    d_sum = mean_sum * (d_b1 - d_b2)
    d_apart = mean_apart * (d_b1 - d_b2 + 2 * (d_error - d_variance))
    signs = [sign for sign, asked in zip((1, -1), wrt) if asked]
    maps = xp.stack([d_b2 * 2, d_variance * 2, *(d_sum + sign * d_apart for sign in signs)])
    d_squares, d_errors, *of_means = blur_backward(xp, maps, window)
    d_errors *= x - y
    found = {sign: mean + d_squares * (x if sign > 0 else y) + sign * d_errors for sign, mean in zip(signs, of_means)}
    return [found.get(1), found.get(-1)]

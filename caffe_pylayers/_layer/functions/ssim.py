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
    """SSIM in each window, (a1 a2) / (b1 b2), and what it is made of."""

    mean_x: Any
    mean_y: Any
    a1: Any
    a2: Any
    b1: Any
    b2: Any
    ssim: Any


def ssim_forward(xp: Any, x: Any, y: Any, window: Sequence[float], c1: float, c2: float) -> Terms:
    """Return the SSIM of two images in each window, with its terms.

        ssim = (2 mx my + c1) (2 cov + c2) / ((mx**2 + my**2 + c1) (vx + vy + c2))

    with the means m, the variances v and the covariance of a window, all weighted by it. That is

        ssim = (1 - (mx - my)**2 / (mx**2 + my**2 + c1)) (1 - v(x - y) / (vx + vy + c2))

    in which nothing but the images' difference counts where they are alike: flat areas lose no digits.

    x, y: (..., H, W). window: its weights along either axis.
    """
    apart = x - y
    maps = xp.stack([x + y, apart, x * x + y * y, apart * apart])
    mean_sum, mean_apart, mean_squares, mean_errors = blur(xp, maps, window)
    mean_x, mean_y, error = (mean_sum + mean_apart) / 2, (mean_sum - mean_apart) / 2, mean_apart * mean_apart
    squares = (mean_sum * mean_sum + error) / 2
    b1, b2 = squares + c1, mean_squares - squares + c2
    a1, a2 = b1 - error, b2 - (mean_errors - error)
    return Terms(mean_x, mean_y, a1, a2, b1, b2, a1 * a2 / (b1 * b2))


def ssim_backward(
    xp: Any, x: Any, y: Any, terms: Terms, d_ssim: Any, window: Sequence[float], wrt: Sequence[bool] = (True, True)
) -> list[Any]:
    """Return [d_x, d_y] of ssim_forward, None for one that wrt does not ask for."""
    mean_x, mean_y, a1, a2, b1, b2, ssim = terms
    of_windows = d_ssim / (b1 * b2)
    d_a1, d_a2 = of_windows * a2, of_windows * a1
    d_b1, d_b2 = ssim / b1 * -d_ssim, ssim / b2 * -d_ssim
    of_other, of_own = (d_a1 - d_a2) * 2, (d_b1 - d_b2) * 2
    means = (mean_x, mean_y), (mean_y, mean_x)
    d_means = [of_own * own + of_other * other for (own, other), asked in zip(means, wrt) if asked]
    d_product, d_squares, *others = blur_backward(xp, xp.stack([d_a2 * 2, d_b2 * 2, *d_means]), window)
    left = iter(others)
    return [
        next(left) + d_product * other + d_squares * own if asked else None
        for (own, other), asked in zip(((x, y), (y, x)), wrt)
    ]

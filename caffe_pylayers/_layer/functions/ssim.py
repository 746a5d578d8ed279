"""Structural similarity of images, and its gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


def gaussian_window(size: int, sigma: float) -> list[float]:
    """Return the weights of a Gaussian window along one axis; their sum is 1."""
    weights = np.exp(-((np.arange(size) - (size - 1) / 2) ** 2) / (2 * sigma**2))
    return (weights / weights.sum()).tolist()  # type: ignore[no-any-return]


def blur(images: Any, window: list[float]) -> Any:
    """Return the weighted means in windows wholly inside the images, (..., H, W) to (..., H - n + 1, W - n + 1)."""
    last = len(window) - 1
    high, wide = images.shape[-2] - last, images.shape[-1] - last
    rows = images[..., :high, :] * window[0]
    for i in range(1, last + 1):
        rows += images[..., i : i + high, :] * window[i]
    result = rows[..., :wide] * window[0]
    for i in range(1, last + 1):
        result += rows[..., i : i + wide] * window[i]
    return result


def blur_backward(xp: Any, d_result: Any, window: list[float], like: Any) -> Any:
    """Return d_images of blur for images like these."""
    last = len(window) - 1
    high, wide = like.shape[-2] - last, like.shape[-1] - last
    d_rows = xp.zeros_like(like[..., :high, :])
    for i in range(last + 1):
        d_rows[..., i : i + wide] += d_result * window[i]
    d_images = xp.zeros_like(like)
    for i in range(last + 1):
        d_images[..., i : i + high, :] += d_rows * window[i]
    return d_images


class Terms(NamedTuple):
    """SSIM in each window, (a1 a2) / (b1 b2), and what it is made of."""

    mean_x: Any
    mean_y: Any
    a1: Any
    a2: Any
    b1: Any
    b2: Any
    ssim: Any


def ssim_forward(x: Any, y: Any, window: list[float], c1: float, c2: float) -> Terms:
    """Return the SSIM of two images in each window, with its terms.

        ssim = (2 mx my + c1) (2 cov + c2) / ((mx**2 + my**2 + c1) (vx + vy + c2))

    with the means m, the variances v and the covariance of a window, all weighted by it.

    x, y: (..., H, W).
    """
    mean_x, mean_y = blur(x, window), blur(y, window)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    a1, b1 = 2 * product + c1, squares + c1
    a2 = 2 * (blur(x * y, window) - product) + c2
    b2 = blur(x * x + y * y, window) - squares + c2
    return Terms(mean_x, mean_y, a1, a2, b1, b2, a1 * a2 / (b1 * b2))


def ssim_backward(xp: Any, d_ssim: Any, terms: Terms, x: Any, y: Any, window: list[float]) -> tuple[Any, Any]:
    """Return (d_x, d_y) of ssim_forward."""
    mean_x, mean_y, a1, a2, b1, b2, ssim = terms
    d_a1, d_a2 = d_ssim * a2 / (b1 * b2), d_ssim * a1 / (b1 * b2)
    d_b1, d_b2 = -d_ssim * ssim / b1, -d_ssim * ssim / b2
    of_other, of_own = 2 * (d_a1 - d_a2), 2 * (d_b1 - d_b2)
    d_product = blur_backward(xp, 2 * d_a2, window, x)
    d_squares = blur_backward(xp, 2 * d_b2, window, x)
    d_x = blur_backward(xp, of_other * mean_y + of_own * mean_x, window, x) + d_product * y + d_squares * x
    d_y = blur_backward(xp, of_other * mean_x + of_own * mean_y, window, x) + d_product * x + d_squares * y
    return d_x, d_y

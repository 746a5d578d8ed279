"""Values less their mean, divided by their deviation, with a scale and a shift: what all normalizers compute."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.blocks import blocks, part, sum_to
from caffe_pylayers._layer.functions import fused

__all__ = ["standardize_backward", "standardize_forward"]

BATCH, GROUP = (0, 2), (2, 3)  # the axes of a view (N, C, M), and those of a view (N, G, K, M)


def standardize_forward(
    xp: Any, x: Any, scale: Any, shift: Any, eps: float, y: Any, axes: tuple[int, int] = GROUP
) -> tuple[Any, Any]:
    """Write y = scale z + shift, z = (x - mean) inverse, with inverse = 1 / sqrt(variance + eps).

    x: (N, G, K, M), or (N, C, M) with values, whose axes are BATCH. scale, shift: (1, G, K, 1), or (1, C, 1), or
    None for 1 and 0. y: receives it; may be x.
    Return mean and inverse, those over the axes, which stay as sizes of 1.
    """
    if fused.has_norms(xp):
        kernel = fused.batch_norm_forward if axes == BATCH else fused.group_norm_forward
        return kernel(xp, x, scale, shift, eps, y)
    mean, inverse = (arrays.new(x, [1 if i in axes else n for i, n in enumerate(x.shape)]) for _ in range(2))
    for block in blocks(x, axes):
        z = y[block]
        mean[block] = x[block].mean(axes, keepdims=True)
        xp.subtract(x[block], mean[block], out=z)
        inverse[block] = 1 / xp.sqrt((z * z).mean(axes, keepdims=True) + eps)
        z *= inverse[block]
        if scale is not None:
            z *= part(scale, block)
        if shift is not None:
            z += part(shift, block)
    return mean, inverse


def standardize_backward(
    xp: Any,
    x: Any,
    mean: Any,
    inverse: Any,
    scale: Any,
    d_y: Any,
    d_x: Any = None,
    d_scale: Any = None,
    d_shift: Any = None,
    axes: tuple[int, int] = GROUP,
) -> None:
    """Write d_x = inverse (d_z - mean(d_z) - z mean(d_z z)), d_z = scale d_y, where it is asked for.

    d_x: may be d_y. d_scale, d_shift: where there is a scale, sum(d_y z) and sum(d_y) are added to them.
    """
    if fused.has_norms(xp):
        kernel = fused.batch_norm_backward if axes == BATCH else fused.group_norm_backward
        kernel(xp, x, mean, inverse, scale, d_y, d_x, d_scale, d_shift)
        return
    for block in blocks(x, axes):
        d_z, z = d_y[block], (x[block] - mean[block]) * inverse[block]
        products = d_z * z
        if scale is not None:
            for diff, values in ((d_scale, products), (d_shift, d_z)):
                if diff is not None:
                    place = part(diff, block)
                    place += sum_to(values, place.shape)
            d_z = d_z * part(scale, block)
            xp.multiply(d_z, z, out=products)
        if d_x is not None:
            z *= products.mean(axes, keepdims=True)
            z += d_z.mean(axes, keepdims=True)
            xp.subtract(d_z, z, out=d_x[block])
            d_x[block] *= inverse[block]

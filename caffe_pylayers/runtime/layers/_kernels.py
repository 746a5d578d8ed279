"""PyTorch's kernels that it does not document, each with the documented way to the same numbers.

The kernels write into memory that is there, or give several gradients in one pass. Each function asks ``kernel`` for
its own; where this PyTorch lacks it, the documented functions compute the same, to rounding, in more time and memory.

``window`` is kernel, stride and pad, each of height and width; ``geometry`` a convolution's stride, pad, dilation,
transposed, output pad and group.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@functools.cache
def kernel(name: str) -> Any:
    """Return the operator of this name in torch.ops, None where this PyTorch lacks it."""
    if name.startswith("mkldnn.") and not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    found: Any = torch.ops
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            return None
    return found


def _gradient(function: Callable[..., Tensor], d_y: Tensor, *inputs: Tensor) -> Sequence[Tensor]:
    """Return the gradients of the inputs of ``function``, by autograd."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        return torch.autograd.grad(function(*leaves), leaves, d_y)


# The kernels for which autograd stands in.
_DIFFERENTIATED = (
    "aten.softplus_backward.grad_input",
    "aten.avg_pool2d_backward.grad_input",
    "aten.convolution_backward",
)
_below_autograd = getattr(torch._C, "_AutoDispatchBelowAutograd", None)


def without_graphs() -> Callable[[], AbstractContextManager[Any]]:
    """Return what makes contexts in which no operator looks whether a graph is to be recorded: a microsecond for each.

    Nothing may be differentiated within. It does nothing where this PyTorch lacks it or a kernel.
    """
    if _below_autograd is None or not all(map(kernel, _DIFFERENTIATED)):
        return contextlib.nullcontext
    context: Callable[[], AbstractContextManager[Any]] = _below_autograd
    return context


# --- activations: y may be x, and d_x may be d_y --------------------------------------------------


def relu_backward(d_y: Tensor, x: Tensor, d_x: Tensor) -> None:
    """Write d_x = d_y where x > 0, else 0."""
    if found := kernel("aten.threshold_backward.grad_input"):
        found(d_y, x, 0, grad_input=d_x)
    else:
        torch.where(x > 0, d_y, d_y.new_zeros(()), out=d_x)


def leaky_relu(x: Tensor, slope: float, y: Tensor) -> None:
    """Write y = x where x > 0, else slope x."""
    if found := kernel("aten.leaky_relu.out"):
        found(x, slope, out=y)
    else:
        y.copy_(functional.leaky_relu(x, slope))


def leaky_relu_backward(d_y: Tensor, x: Tensor, slope: float, d_x: Tensor) -> None:
    """Write d_x = d_y where x > 0, else slope d_y."""
    if found := kernel("aten.leaky_relu_backward.grad_input"):
        found(d_y, x, slope, False, grad_input=d_x)
    else:
        torch.where(x > 0, d_y, d_y * slope, out=d_x)


def elu(x: Tensor, alpha: float, y: Tensor) -> None:
    """Write y = x where x > 0, else alpha (exp(x) - 1)."""
    if found := kernel("aten.elu.out"):
        found(x, alpha, out=y)
    else:
        y.copy_(functional.elu(x, alpha))


def elu_backward(d_y: Tensor, x: Tensor, alpha: float, d_x: Tensor) -> None:
    """Write d_x = d_y where x > 0, else d_y alpha exp(x)."""
    if found := kernel("aten.elu_backward.grad_input"):
        found(d_y, alpha, 1, 1, False, x, grad_input=d_x)
    else:
        torch.where(x > 0, d_y, d_y * alpha * torch.exp(x), out=d_x)


def sigmoid_backward(d_y: Tensor, y: Tensor, d_x: Tensor) -> None:
    """Write d_x = d_y y (1 - y)."""
    if found := kernel("aten.sigmoid_backward.grad_input"):
        found(d_y, y, grad_input=d_x)
    else:
        torch.mul(d_y, y * (1 - y), out=d_x)


def tanh_backward(d_y: Tensor, y: Tensor, d_x: Tensor) -> None:
    """Write d_x = d_y (1 - y^2)."""
    if found := kernel("aten.tanh_backward.grad_input"):
        found(d_y, y, grad_input=d_x)
    else:
        torch.mul(d_y, 1 - y * y, out=d_x)


def softplus(x: Tensor, y: Tensor) -> None:
    """Write y = log(1 + exp(x)); x itself above 20."""
    if found := kernel("aten.softplus.out"):
        found(x, out=y)
    else:
        y.copy_(functional.softplus(x))


def softplus_backward(d_y: Tensor, x: Tensor, d_x: Tensor) -> None:
    """Write d_x = d_y / (1 + exp(-x)); d_y itself above 20."""
    if found := kernel("aten.softplus_backward.grad_input"):
        found(d_y, x, 1, 20, grad_input=d_x)
    else:
        d_x.copy_(_gradient(functional.softplus, d_y, x)[0])


# --- pooling --------------------------------------------------------------------------------------


def max_pool(x: Tensor, window: Any, ceil: bool, y: Tensor, indices: Tensor) -> None:
    """Write the largest value of each window, and where in its map it is (int64)."""
    if found := kernel("aten.max_pool2d_with_indices.out"):
        found(x, *window, (1, 1), ceil, out=y, indices=indices)
    else:
        size, stride, pad = window
        values, places = functional.max_pool2d(x, size, stride, pad, ceil_mode=ceil, return_indices=True)
        y.copy_(values)
        indices.copy_(places)


def max_pool_backward(d_y: Tensor, x: Tensor, window: Any, ceil: bool, indices: Tensor, d_x: Tensor) -> None:
    """Write for each place of x the sum of d_y over the windows whose largest value it is."""
    if found := kernel("aten.max_pool2d_with_indices_backward.grad_input"):
        found(d_y, x, *window, (1, 1), ceil, indices, grad_input=d_x)
    else:
        maps = x.new_zeros((*x.shape[:2], math.prod(x.shape[2:])))
        d_x.copy_(maps.scatter_add_(2, indices.flatten(2), d_y.flatten(2)).view(x.shape))


def average_pool(x: Tensor, window: Any, ceil: bool, y: Tensor) -> None:
    """Write the mean of each window, in which the pad counts as zeros."""
    if found := kernel("aten.avg_pool2d.out"):
        found(x, *window, ceil, True, None, out=y)
    else:
        size, stride, pad = window
        y.copy_(functional.avg_pool2d(x, size, stride, pad, ceil))


def average_pool_backward(d_y: Tensor, x: Tensor, window: Any, ceil: bool, divisor: int | None, d_x: Tensor) -> None:
    """Write for each place of x the sum of d_y over its windows, divided by the window's size or by the divisor."""
    if found := kernel("aten.avg_pool2d_backward.grad_input"):
        found(d_y, x, *window, ceil, True, divisor, grad_input=d_x)
    else:
        size, stride, pad = window
        pool = functools.partial(
            functional.avg_pool2d,
            kernel_size=size,
            stride=stride,
            padding=pad,
            ceil_mode=ceil,
            divisor_override=divisor,
        )
        d_x.copy_(_gradient(pool, d_y, x)[0])


# --- convolution ----------------------------------------------------------------------------------


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Any) -> Tensor:
    """Return the convolution of maps of one to three axes, or its transpose; the weight may be packed."""
    stride, pad, dilation, transposed, output_pad, group = geometry
    if weight.is_mkldnn:
        packed: Tensor = kernel("mkldnn._convolution_pointwise")(
            x, weight, bias, pad, stride, dilation, group, "none", [], ""
        )
        return packed
    axes = x.dim() - 2
    if transposed:
        transpose = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[axes - 1]
        return transpose(x, weight, bias, stride, pad, output_pad, group, dilation)
    return (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1](
        x, weight, bias, stride, pad, dilation, group
    )


def can_pack() -> bool:
    """True if weights can be packed for ``convolution``."""
    names = ("mkldnn._reorder_convolution_weight", "mkldnn._convolution_pointwise")
    return all(kernel(name) is not None for name in names)


def pack(weight: Tensor, sizes: Sequence[int], geometry: Any) -> Tensor:
    """Return a weight in the order in which oneDNN reads it for bottoms of these sizes, on the CPU."""
    stride, pad, dilation, _, _, group = geometry
    packed: Tensor = kernel("mkldnn._reorder_convolution_weight")(weight, pad, stride, dilation, group, list(sizes))
    return packed


def convolution_backward(
    d_y: Tensor, x: Tensor, weight: Tensor, geometry: Any, wanted: Sequence[bool]
) -> list[Tensor | None]:
    """Return the gradients of x, weight and bias; those that are not wanted may be anything."""
    channels = d_y.shape[1]
    if found := kernel("aten.convolution_backward"):
        return list(found(d_y, x, weight, [channels], *geometry, list(wanted)))
    leaves = [x, weight, x.new_zeros(channels)]
    chosen = [i for i in range(3) if wanted[i]]

    def convolve(*inputs: Tensor) -> Tensor:
        x, weight, bias = (inputs[chosen.index(i)] if i in chosen else leaves[i] for i in range(3))
        return convolution(x, weight, bias, geometry)

    gradients = iter(_gradient(convolve, d_y, *(leaves[i] for i in chosen)))
    return [next(gradients) if flag else None for flag in wanted]


# --- normalization --------------------------------------------------------------------------------


def batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    y: Tensor,
    mean: Tensor,
    factor: Tensor,
    variance: Tensor,
) -> None:
    """Write y = (x - mean) factor, times the weight and plus the bias if there are any, for each channel of a batch.

    The batch's mean, factor = 1 / sqrt(biased variance + eps) and unbiased variance, (C) each, are written too.
    """
    if found := kernel("aten.native_batch_norm.out"):
        # Running statistics with momentum 1 forget the past: they are the batch's own.
        found(
            x, weight, bias, torch.empty_like(mean), variance, True, 1.0, eps, out=y, save_mean=mean, save_invstd=factor
        )
        return
    axes, by_channel = _around_channels(x)
    count = x.numel() // x.shape[1]
    mean.copy_(x.mean(axes))
    of_batch = torch.var(x, axes, correction=0)
    factor.copy_(torch.rsqrt(of_batch + eps))
    torch.mul(of_batch, count / max(1, count - 1), out=variance)
    torch.sub(x, mean.view(by_channel), out=y).mul_(factor.view(by_channel))
    if weight is not None:
        y.mul_(weight.view(by_channel))
    if bias is not None:
        y.add_(bias.view(by_channel))


def batch_norm_backward(
    d_y: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, factor: Tensor, eps: float, wanted: Sequence[bool]
) -> Sequence[Tensor]:
    """Return the gradients of x, weight and bias in ``batch_norm``; those not wanted may be anything."""
    if found := kernel("aten.native_batch_norm_backward"):
        gradients: Sequence[Tensor] = found(
            d_y, x, weight, None, None, mean, factor, True, eps, [*wanted, *[False] * (3 - len(wanted))]
        )
        return gradients
    axes, by_channel = _around_channels(x)
    count = x.numel() // x.shape[1]
    normal = (x - mean.view(by_channel)) * factor.view(by_channel)
    d_bias, d_weight = d_y.sum(axes), (d_y * normal).sum(axes)
    rest = d_y - (d_bias / count).view(by_channel) - normal * (d_weight / count).view(by_channel)
    return rest * (factor if weight is None else factor * weight).view(by_channel), d_weight, d_bias


def _around_channels(x: Tensor) -> tuple[list[int], tuple[int, ...]]:
    """Return the axes of x but the channels', and the shape that lays a value for each channel over x."""
    return [0, *range(2, x.dim())], (1, -1, *[1] * (x.dim() - 2))

"""Formulas of several steps that go over memory once: by PyTorch's kernel, or block by block.

A family keeps the plain formulas, which are the definition, and says that they are such:

    @one_pass
    def swish_forward(xp, x, beta=1.0):
        return sigmoid(xp, x * beta) * x

    @one_pass
    def swish_backward(xp, x, d_y, beta=1.0):
        ...

Where KERNELS has a row of the name, PyTorch's kernel computes the same for tensors.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np

from caffe_pylayers._layer.blocks import blocks
from caffe_pylayers._layer.functions.windows import Window

__all__ = [
    "KERNELS",
    "Kernel",
    "affine_by_kernel",
    "batch_norm_backward",
    "batch_norm_forward",
    "by_kernel",
    "ctc_backward",
    "ctc_forward",
    "fixed_norm_backward",
    "grid_sample_backward",
    "grid_sample_forward",
    "group_norm_backward",
    "group_norm_forward",
    "has_grid_sampler",
    "has_max_pool",
    "has_norms",
    "max_pool_backward",
    "max_pool_forward",
    "one_pass",
    "powers_of_two",
    "softmax_backward_by_kernel",
]

_TINY = 1.1754944e-38  # float32's least normal number


class Kernel(NamedTuple):
    """What computes NAME_forward and NAME_backward for tensors.

    name: of torch.ops.aten's function of forward's arrays; that of backward has _backward behind it, and takes the
        gradient, backward's last array, first.
    options: returns the kernel's other arguments for the formula's, or None for those that it cannot do.
    """

    name: str
    options: Callable[..., dict[str, Any] | None] = dict


KERNELS = {
    "relu6": Kernel(
        "hardtanh",
        lambda negative_slope=0.0, threshold=6.0: None if negative_slope else {"min_val": 0, "max_val": threshold},
    ),
    "swish": Kernel("silu", lambda beta=1.0: {} if beta == 1 else None),
    "mish": Kernel("mish"),
    "hard_sigmoid": Kernel("hardsigmoid", lambda alpha=1 / 6, beta=0.5: {} if (alpha, beta) == (1 / 6, 0.5) else None),
    "hard_swish": Kernel("hardswish"),
    "gelu": Kernel("gelu"),
    "gelu_tanh": Kernel("gelu", lambda: {"approximate": "tanh"}),
    "l1": Kernel("smooth_l1_loss", lambda: {"reduction": 0, "beta": _TINY}),  # whose gradient of NaN is NaN
    "smooth_l1": Kernel("smooth_l1_loss", lambda sigma=1.0: {"reduction": 0, "beta": 1 / sigma**2}),
    "huber": Kernel("huber_loss", lambda delta=1.0: {"reduction": 0, "delta": delta}),
    "softplus": Kernel("softplus", lambda beta=1.0: {"beta": beta, "threshold": 50}),  # linear to the last digit there
}


def one_pass(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Return a formula as a function that goes over memory once, and writes its result where ``out`` says.

    formula: NAME_forward or NAME_backward of (xp, array, ..., other arguments), where the arrays have one shape and
        each value of the result, which it returns in new memory, depends on the values at its place alone.
    out: receives the result; may be one of the arrays. Without it the result is in new memory.
    """

    @functools.wraps(formula)
    def function(xp: Any, *arguments: Any, out: Any = None, **named: Any) -> Any:
        count = sum(hasattr(argument, "shape") for argument in arguments)
        arrays, others = arguments[:count], arguments[count:]
        if out is None:
            out = xp.empty_like(arrays[0])
        if xp is np or not _by_kernel(xp, formula.__name__, arrays, others, named, out):
            for block in blocks(arrays[0]):
                place = block or ...
                out[place] = formula(xp, *(array[place] for array in arrays), *others, **named)
        return out

    return function


def by_kernel(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Return a formula as a function that leaves tensors to the kernel; it is for parts of arrays, and cuts none.

    formula: NAME_forward or NAME_backward of (xp, array, ..., other arguments); all arrays broadcast to the first.
    out: of NAME_backward, receives its result, or is None.
    """

    @functools.wraps(formula)
    def function(xp: Any, *arguments: Any, **named: Any) -> Any:
        if xp is np:
            return formula(xp, *arguments, **named)
        count = sum(hasattr(argument, "shape") for argument in arguments)
        arrays, others, out = arguments[:count], arguments[count:], named.pop("out", None)
        if out is None:
            out = xp.empty_like(arrays[0])
        if not _by_kernel(xp, formula.__name__, arrays, others, named, out):
            out[...] = formula(xp, *arguments, **named)
        return out

    return function


def _by_kernel(xp: Any, formula: str, arrays: Sequence[Any], others: Any, named: Any, out: Any) -> bool:
    """Compute a formula by PyTorch's kernel; return False where there is none that does it."""
    name, _, which = formula.rpartition("_")
    row = KERNELS.get(name)
    options = row.options(*others, **named) if row else None
    if not row or options is None:
        return False
    kernel = getattr(xp.ops.aten, row.name + ("_backward" if which == "backward" else ""), None)
    if kernel is None:  # in this PyTorch
        return False
    if which == "backward":
        arrays = (arrays[-1], *arrays[:-1])
    receiver, word = _receiver(kernel)
    if word and out.is_contiguous():  # gelu misses strided memory
        receiver(*arrays, **options, **{word: out})
    else:
        out[...] = kernel(*arrays, **options)
    return True


@functools.lru_cache(maxsize=None)
def _receiver(kernel: Any) -> tuple[Any, str]:
    """Return the kind of a kernel that writes to memory it is given, and what it calls that; "" for none."""
    for kind in kernel.overloads():
        last = getattr(kernel, kind)._schema.arguments[-1]
        if last.is_out:
            return getattr(kernel, kind), last.name
    return kernel, ""


def softmax_backward_by_kernel(xp: Any, p: Any, d_p: Any, axis: int, d_scores: Any = None) -> Any:
    """Compute softmax.softmax_backward; return None for numpy, and where PyTorch has no kernel that does it."""
    kernel = None if xp is np else getattr(xp.ops.aten, "_softmax_backward_data", None)
    d_scores = xp.empty_like(p) if d_scores is None else d_scores
    if kernel is None or p.shape != d_p.shape or not d_scores.is_contiguous():
        return None
    return kernel.out(d_p, p, axis, p.dtype, grad_input=d_scores)


_NORMS = [f"native_{kind}_norm{way}" for kind in ("layer", "group", "batch") for way in ("", "_backward")]


def has_norms(xp: Any) -> bool:
    """Return whether PyTorch has what the next ones call; False for numpy."""
    return xp is not np and all(hasattr(xp.ops.aten, name) for name in _NORMS)


def group_norm_forward(xp: Any, x: Any, scale: Any, shift: Any, eps: float, y: Any) -> tuple[Any, Any]:
    """Compute standardize_forward of a view (N, G, K, M) without a 0."""
    count, groups, each, positions = x.shape
    scale, shift = (None if learned is None else learned.reshape(-1) for learned in (scale, shift))
    if groups == positions == 1:
        found = xp.ops.aten.native_layer_norm(x.reshape(count, each), [each], scale, shift, eps)
    else:
        sizes = count, groups * each, positions
        found = xp.ops.aten.native_group_norm(x.reshape(sizes), scale, shift, *sizes, groups, eps)
    normalized, mean, inverse = found
    y[...] = normalized.reshape(y.shape)
    return mean.reshape(count, groups, 1, 1), inverse.reshape(count, groups, 1, 1)


def group_norm_backward(
    xp: Any, x: Any, mean: Any, inverse: Any, scale: Any, d_y: Any, d_x: Any, d_scale: Any, d_shift: Any
) -> None:
    """Compute standardize_backward of a view (N, G, K, M) without a 0."""
    count, groups, each, positions = x.shape
    asked = [d_x is not None, scale is not None, scale is not None]
    scale = None if scale is None else scale.reshape(-1)
    mean, inverse = mean.reshape(count, groups), inverse.reshape(count, groups)
    if groups == positions == 1:
        d_y, x = d_y.reshape(count, each), x.reshape(count, each)
        found = xp.ops.aten.native_layer_norm_backward(d_y, x, [each], mean, inverse, scale, scale, asked)
    else:
        sizes = count, groups * each, positions
        d_y, x = d_y.reshape(sizes), x.reshape(sizes)
        found = xp.ops.aten.native_group_norm_backward(d_y, x, mean, inverse, scale, *sizes, groups, asked)
    if d_x is not None:
        d_x[...] = found[0].reshape(d_x.shape)
    if scale is not None:
        d_scale += found[1].reshape(d_scale.shape)
        d_shift += found[2].reshape(d_shift.shape)


def batch_norm_forward(xp: Any, x: Any, scale: Any, shift: Any, eps: float, y: Any) -> tuple[Any, Any]:
    """Compute standardize_forward of a view (N, C, M) without a 0, over N and M."""
    mean, inverse = xp.empty((2, x.shape[1]), dtype=x.dtype, device=x.device)
    scale, shift = (None if learned is None else learned.reshape(-1) for learned in (scale, shift))
    kernel = xp.ops.aten.native_batch_norm.out
    kernel(x, scale, shift, None, None, True, 0.0, eps, out=y, save_mean=mean, save_invstd=inverse)
    return mean.reshape(1, -1, 1), inverse.reshape(1, -1, 1)


def batch_norm_backward(
    xp: Any, x: Any, mean: Any, inverse: Any, scale: Any, d_y: Any, d_x: Any, d_scale: Any, d_shift: Any
) -> None:
    """Compute standardize_backward of a view (N, C, M) without a 0, over N and M."""
    asked = [d_x is not None, d_scale is not None, d_shift is not None]
    whole, sums = _batch_norm_gradients(xp, x, mean, inverse, scale, d_y, asked)
    if d_x is not None:
        d_x[...] = whole
    for diff, values in zip((d_scale, d_shift), sums):
        if diff is not None:
            diff.add_(values)


def fixed_norm_backward(xp: Any, x: Any, mean: Any, inverse: Any, d_y: Any, d_scale: Any, d_shift: Any) -> None:
    """Add the gradients of scale and shift in batch_norm.fixed_norm_forward."""
    _, sums = _batch_norm_gradients(xp, x, mean, inverse, None, d_y, [False, True, True])
    for diff, values in zip((d_scale, d_shift), sums):
        if diff is not None:
            diff.add_(values)


def _batch_norm_gradients(
    xp: Any, x: Any, mean: Any, inverse: Any, scale: Any, d_y: Any, asked: Sequence[bool]
) -> tuple[Any, list[Any]]:
    """Return d_x of a view (N, C, M), and sum(d_y z) and sum(d_y), (1, C, 1); None for what is not asked for."""
    mean, inverse = mean.reshape(-1), inverse.reshape(-1)
    scale = None if scale is None else scale.reshape(-1)
    found = xp.ops.aten.native_batch_norm_backward(d_y, x, scale, None, None, mean, inverse, True, 0.0, asked)
    return found[0], [sums.reshape(1, -1, 1) if wanted else None for sums, wanted in zip(found[1:], asked[1:])]


def affine_by_kernel(xp: Any, x: Any, factor: Any, term: Any, y: Any) -> bool:
    """Write y = factor x + term, for x (N, C, M), factor and term (1, C, 1); return False where PyTorch cannot."""
    if not has_norms(xp):
        return False
    zeros, ones = xp.zeros_like(factor).reshape(-1), xp.ones_like(factor).reshape(-1)
    kernel, none = xp.ops.aten.native_batch_norm.out, xp.empty((2, 0), dtype=x.dtype, device=x.device)
    weight, bias = factor.reshape(-1), term.reshape(-1)
    kernel(x, weight, bias, zeros, ones, False, 0.0, 0.0, out=y, save_mean=none[0], save_invstd=none[1])
    return True


def has_grid_sampler(xp: Any) -> bool:
    """Return whether PyTorch has what grid_sample_forward and grid_sample_backward call, for maps with values."""
    return xp is not np and hasattr(xp.ops.aten, "grid_sampler_2d_backward")


def powers_of_two(like: Any, shape: Sequence[int]) -> Any:
    """Return zeros for maps (N, C, H, W) and what makes their sizes powers of two.

    The kernel has -1 and 1 at a map's ends: by such a size a place in pixels is scaled without rounding, and one at a
    pixel's centre stays there.
    """
    return like.new_zeros((*shape[:2], *(1 << (int(n) - 1).bit_length() for n in shape[2:])))


def grid_sample_forward(xp: Any, maps: Any, x: Any, y: Any, padded: Any, sampled: Any) -> Any:
    """Write sampled (N, C, P): maps (N, C, H, W), with zeros around them, at x and y (N, P). Return the kernel's grid.

    padded: of powers_of_two, receives the maps.
    """
    padded[:, :, : maps.shape[2], : maps.shape[3]] = maps
    grid = x.new_empty((len(x), 1, x.shape[1], 2))
    for k, place in enumerate((x, y)):
        size = padded.shape[3 - k]
        xp.add(place.new_full((), 1 / size - 1), place, alpha=2 / size, out=grid[:, 0, :, k])
    sampled[...] = xp.ops.aten.grid_sampler_2d(padded, grid, 0, 0, False)[:, :, 0]
    return grid


def grid_sample_backward(xp: Any, d_sampled: Any, padded: Any, grid: Any, d_maps: Any, to_places: bool) -> Any:
    """Write d_maps, where it is not None, and return the gradient of x and y (N, P, 2), None without to_places."""
    asked = [d_maps is not None, to_places]
    if not any(asked):
        return None
    kernel = xp.ops.aten.grid_sampler_2d_backward
    d_padded, d_grid = kernel(d_sampled[:, :, None], padded, grid, 0, 0, False, asked)
    if d_maps is not None:
        d_maps[...] = d_padded[:, :, : d_maps.shape[2], : d_maps.shape[3]]
    if not to_places:
        return None
    for k in range(2):
        d_grid[..., k] *= 2 / padded.shape[3 - k]
    return d_grid[:, 0]


def has_max_pool(xp: Any, x: Any, windows: Sequence[Window]) -> bool:
    """Return whether PyTorch has what the next two call, for x (N, C, ...) with values."""
    axes = max(x.ndim - 2, 2)
    halves = all(2 * window.pad <= window.kernel for window in windows)
    small = axes <= 3 and halves and bool(windows) and 0 not in tuple(x.shape)
    return small and xp is not np and hasattr(xp.ops.aten, f"max_pool{axes}d_with_indices_backward")


def max_pool_forward(xp: Any, x: Any, windows: Sequence[Window], y: Any) -> Any:
    """Compute nd_pooling.max_pool_forward."""
    x, y = _two_axes(x), _two_axes(y)
    index = xp.empty(y.shape, dtype=xp.int64, device=x.device)
    kernel = getattr(xp.ops.aten, f"max_pool{x.ndim - 2}d_with_indices").out
    kernel(x, *_window_sizes(windows, x.ndim), out=y, indices=index)
    return index


def max_pool_backward(xp: Any, x: Any, index: Any, windows: Sequence[Window], d_y: Any, d_x: Any) -> None:
    """Compute nd_pooling.max_pool_backward."""
    x, d_y, d_x = _two_axes(x), _two_axes(d_y), _two_axes(d_x)
    kernel = getattr(xp.ops.aten, f"max_pool{x.ndim - 2}d_with_indices_backward").grad_input
    kernel(d_y, x, *_window_sizes(windows, x.ndim), index, grad_input=d_x)


def _two_axes(x: Any) -> Any:
    """Return x (N, C, L) as (N, C, L, 1), and one of more axes as it is."""
    return x[..., None] if x.ndim == 3 else x


def _window_sizes(windows: Sequence[Window], axes: int) -> tuple[Any, ...]:
    """Return kernel, stride, pad and dilation, a size for each axis behind the channels, and ceil_mode."""
    on_axis = {window.axis: window for window in windows}
    sizes = zip(*((w.kernel, w.stride, w.pad) if (w := on_axis.get(i)) else (1, 1, 0) for i in range(2, axes)))
    up = any(w.outputs > (w.size + 2 * w.pad - w.kernel) // w.stride + 1 for w in windows)
    return *map(list, sizes), [1] * (axes - 2), up


def has_ctc(xp: Any, log_p: Any) -> bool:
    """Return whether PyTorch has what the next two call, for log-probabilities of a step and a sample or more."""
    return xp is not np and log_p.shape[0] * log_p.shape[1] > 0 and hasattr(xp.ops.aten, "_ctc_loss_backward")


def ctc_forward(xp: Any, log_p: Any, labels: Any, lengths: Any, steps: Any, blank: int) -> tuple[Any, Any]:
    """Compute ctc_paths.ctc_forward, with merge_repeated."""
    classes = xp.tensor(np.maximum(labels, 0), device=log_p.device)
    given = classes, steps.tolist(), lengths.tolist()
    loss, log_alpha = xp.ops.aten._ctc_loss(log_p, *given, blank)
    return -loss, (given, log_alpha, blank)


def ctc_backward(xp: Any, log_p: Any, kept: Any, log_likelihood: Any, d_scores: Any) -> None:
    """Compute ctc_paths.ctc_backward."""
    given, log_alpha, blank = kept
    each = xp.ones_like(log_likelihood)
    d_scores[...] = xp.ops.aten._ctc_loss_backward(each, log_p, *given, -log_likelihood, log_alpha, blank, True)

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

__all__ = ["KERNELS", "Kernel", "one_pass"]


class Kernel(NamedTuple):
    """What computes NAME_forward and NAME_backward for tensors.

    name: of torch.ops.aten's function of forward's arrays; that of backward has _backward behind it, and takes the
        gradient, backward's last array, first.
    options: returns the kernel's other arguments for the formula's, or None for those that it cannot do.
    """

    name: str
    options: Callable[..., dict[str, Any] | None] = dict


KERNELS = {
    "relu6": Kernel("hardtanh", lambda negative_slope=0.0: None if negative_slope else {"min_val": 0, "max_val": 6}),
    "swish": Kernel("silu", lambda beta=1.0: {} if beta == 1 else None),
    "mish": Kernel("mish"),
    "hard_sigmoid": Kernel("hardsigmoid", lambda alpha=1 / 6, beta=0.5: {} if (alpha, beta) == (1 / 6, 0.5) else None),
    "hard_swish": Kernel("hardswish"),
    "gelu": Kernel("gelu"),
    "gelu_tanh": Kernel("gelu", lambda: {"approximate": "tanh"}),
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
    # What a kernel calls the memory that it writes to: some only return their result, and gelu misses strided memory.
    receivers = [word for word in ("out", "grad_input") if word in kernel.overloads()]
    if receivers and out.is_contiguous():
        kernel(*arrays, **options, **{receivers[0]: out})
    else:
        out[...] = kernel(*arrays, **options)
    return True

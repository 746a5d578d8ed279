"""Operations on lists of tensors, each in place on the tensors of the first list.

PyTorch has them in one call each, for a GPU in few kernels, but does not document them. Where one is missing, its loop
over the tensors' documented method does the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch

Operation = Callable[..., object]


def loop(name: str) -> Operation:
    """Return the operation that calls the tensors' method of this name, one tensor after the other.

    Its arguments are lists of as many tensors, or numbers for all of them.
    """

    def apply(tensors: list[torch.Tensor], *others: Any, **numbers: float) -> None:
        operands = (other if isinstance(other, list) else itertools.repeat(other) for other in others)
        for tensor, *rest in zip(tensors, *operands):
            getattr(tensor, name)(*rest, **numbers)

    return apply


def _operation(name: str) -> Operation:
    found: Operation = getattr(torch, f"_foreach_{name}", None) or loop(name)
    return found


add_ = _operation("add_")
addcmul_ = _operation("addcmul_")
copy_ = _operation("copy_")
div_ = _operation("div_")
mul_ = _operation("mul_")
sign_ = _operation("sign_")
sqrt_ = _operation("sqrt_")
sub_ = _operation("sub_")
NAMES = ("add_", "addcmul_", "copy_", "div_", "mul_", "sign_", "sqrt_", "sub_")

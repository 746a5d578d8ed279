"""The product of rows and a matrix, x W^T + b, by the faster of PyTorch's two libraries for it."""

from __future__ import annotations

import torch
from torch.nn import functional

from caffe_pylayers.runtime.layers import _kernels

ONEDNN_VALUES = 1 << 16  # of a weight: from here on oneDNN is up to twice as fast as MKL; it takes longer to start


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return (M, N) from x (M, K), weight (N, K), of any strides, and bias (N)."""
    onednn = _kernels.kernel("mkldnn._linear_pointwise")
    if onednn and x.device.type == "cpu" and weight.numel() >= ONEDNN_VALUES and x.shape[0]:
        product: torch.Tensor = onednn(x, weight, bias, "none", [], "")
        return product
    return functional.linear(x, weight, bias)

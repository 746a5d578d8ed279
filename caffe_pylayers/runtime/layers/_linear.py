"""The product of rows and a matrix, y = x W^T + b, by the faster of PyTorch's two libraries for it."""

from __future__ import annotations

import torch

from caffe_pylayers.runtime.layers import _kernels

ONEDNN_VALUES = 1 << 16  # of a weight: from here on oneDNN is up to twice as fast as MKL; it takes longer to start


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, y: torch.Tensor) -> None:
    """Write y (M, N) from x (M, K), weight (N, K), of any strides, and bias (N)."""
    onednn = _kernels.kernel("mkldnn._linear_pointwise")
    if onednn and x.device.type == "cpu" and weight.numel() >= ONEDNN_VALUES and x.shape[0]:
        y.copy_(onednn(x, weight, bias, "none", [], ""))
    elif bias is None:
        torch.mm(x, weight.t(), out=y)
    else:
        torch.addmm(bias, x, weight.t(), out=y)

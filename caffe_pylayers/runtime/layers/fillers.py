"""Caffe's fillers: the values of learned blobs before training."""

from __future__ import annotations

import math
from typing import Any

import torch

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.registry import Registry

FILLERS: Registry[Any] = Registry("filler")
register = FILLERS.register

NOT_SPARSE = -1
FLOAT_MAX = torch.finfo(torch.float32).max
FAN_OUT, AVERAGE = 1, 2  # FillerParameter.VarianceNorm; 0 is FAN_IN


def fill(blob: Blob, param: Any) -> None:
    """Fill a blob as a FillerParameter says; raise ValueError for what Caffe refuses.

    The numbers come from the host's generator, so that a seed gives the same ones on every device.
    """
    filler = _filler(blob, param)
    values = blob.write()
    if values.device == device.HOST:
        filler(values, param)
    else:
        drawn = torch.empty(blob.shape, device=device.HOST)
        filler(drawn, param)
        values.copy_(drawn)


def check_filler(blob: Blob, param: Any) -> None:
    """Raise what ``fill`` raises; the blob gets no values and no memory, and no random number is drawn."""
    _filler(blob, param)(torch.empty(blob.shape, device="meta"), param)


def _filler(blob: Blob, param: Any) -> Any:
    filler = FILLERS.get(param.type)
    if not blob.count:
        raise ValueError(f"{param.type} filler: the blob of shape {blob.shape} has no values")
    if param.sparse != NOT_SPARSE and param.type != "gaussian":
        raise ValueError(f"{param.type} filler: only gaussian can be sparse, got sparse {param.sparse}")
    return filler


@register("constant")
def constant(values: torch.Tensor, param: Any) -> None:
    """``value`` everywhere."""
    values.fill_(param.value)


@register("uniform")
def uniform(values: torch.Tensor, param: Any) -> None:
    """Uniform in [min, max]."""
    if not 0 <= param.max - param.min <= FLOAT_MAX:  # NaN and infinity are neither
        raise ValueError(
            "uniform filler: min must not exceed max, and their difference must be finite, "
            f"got min {param.min:g} and max {param.max:g}"
        )
    values.uniform_(param.min, param.max, generator=rng.generator(device.HOST))


@register("gaussian")
def gaussian(values: torch.Tensor, param: Any) -> None:
    """Normal with ``mean`` and ``std``; each value is kept with probability ``sparse`` / shape[0] and else 0."""
    if not param.std > 0:
        raise ValueError(f"gaussian filler: std must be positive, got {param.std:g}")
    generator = rng.generator(device.HOST)
    values.normal_(param.mean, param.std, generator=generator)
    if param.sparse == NOT_SPARSE:
        return
    if values.dim() < 1:
        raise ValueError("gaussian filler: a sparse blob must have an axis, got a scalar")
    outputs = values.shape[0]
    if not 0 <= param.sparse <= outputs:
        raise ValueError(f"gaussian filler: sparse must be -1 or in [0, {outputs}], got {param.sparse}")
    values.mul_(torch.empty_like(values).bernoulli_(param.sparse / outputs, generator=generator))


@register("positive_unitball")
def positive_unitball(values: torch.Tensor, param: Any) -> None:
    """Uniform in [0, 1), then each values[i] divided by its sum, so that it adds up to 1."""
    rows = values.uniform_(generator=rng.generator(device.HOST)).view(_outputs(values, param), -1)
    rows.div_(rows.sum(dim=1, keepdim=True))


@register("xavier")
def xavier(values: torch.Tensor, param: Any) -> None:
    """Uniform in [-s, s], s = sqrt(3 / n) with n of ``variance_norm`` (Glorot and Bengio 2010)."""
    bound = math.sqrt(3 / _fan(values, param))
    values.uniform_(-bound, bound, generator=rng.generator(device.HOST))


@register("msra")
def msra(values: torch.Tensor, param: Any) -> None:
    """Normal with mean 0 and variance 2 / n with n of ``variance_norm`` (He et al. 2015)."""
    values.normal_(0, math.sqrt(2 / _fan(values, param)), generator=rng.generator(device.HOST))


@register("bilinear")
def bilinear(values: torch.Tensor, param: Any) -> None:
    """Weights of a Deconvolution that interpolates bilinearly: the same square kernel for each channel."""
    if values.dim() != 4 or values.shape[2] != values.shape[3]:
        raise ValueError(f"bilinear filler: the blob must have 4 axes and a square kernel, got {tuple(values.shape)}")
    size = values.shape[3]
    half = math.ceil(size / 2)
    centre = (size - 1) / (2 * half)
    line = 1 - (torch.arange(size, device=values.device) / half - centre).abs()
    values.copy_(torch.outer(line, line).expand_as(values))


def _outputs(values: torch.Tensor, param: Any) -> int:
    if values.dim() < 1:
        raise ValueError(f"{param.type} filler: the blob must have an axis, got a scalar")
    return values.shape[0]


def _fan(values: torch.Tensor, param: Any) -> float:
    """Return n of ``variance_norm``: FAN_IN, FAN_OUT or their AVERAGE.

    As in Caffe FAN_IN is the count over shape[0], FAN_OUT the count over shape[1], also for InnerProduct.
    """
    fan_in = values.numel() // _outputs(values, param)
    fan_out = values.numel() // values.shape[1] if values.dim() > 1 else values.numel()
    if param.variance_norm == AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_out if param.variance_norm == FAN_OUT else fan_in

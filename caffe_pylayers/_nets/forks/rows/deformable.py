"""Deformable ConvNets."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect


def _windows(layer: Any) -> dict[str, Any]:
    """Return the sizes of the windows, whichever way they are given."""
    param = layer.deformable_convolution_param
    found = {}
    for name, both in (("kernel", "kernel_size"), ("stride", "stride"), ("pad", "pad"), ("", "dilation")):
        sides = [f"{name}_{side}" for side in "hw"]
        if name and any(map(param.HasField, sides)):
            found[both] = [getattr(param, side) for side in sides]
        elif getattr(param, both):
            found[both] = list(getattr(param, both))
    return found


def _refuse_two_ways(layer: Any) -> None:
    """Refuse what Caffe's convolution does: a size given both ways, or on one side alone."""
    param = layer.deformable_convolution_param
    for name, both in (("kernel", "kernel_size"), ("stride", "stride"), ("pad", "pad")):
        sides = [f"{name}_h", f"{name}_w"]
        missing = [side for side in sides if not param.HasField(side)]
        if len(missing) == len(sides):
            continue
        if getattr(param, both):
            raise ValueError(f"deformable_convolution_param takes {both}, or {' and '.join(sides)}: not both")
        if missing and name != "pad":  # a side without pad has 0
            raise ValueError(f"deformable_convolution_param.{missing[0]} is missing")


ROWS = [
    Dialect(
        "DeformableConvolution",
        "deformable.DeformableConvolution",
        "deformable_convolution_param",
        "num_output bias_term group=groups deformable_group=deformable_groups bias_filler.value=bias",
        read="kernel_size kernel_h kernel_w stride stride_h stride_w pad pad_h pad_w dilation",
        filler="weight_filler",
        more=_windows,
        change=_refuse_two_ways,
    ),
]

"""Batch normalization, and vectors of one length."""

from __future__ import annotations

import math
from typing import Any, Sequence

from caffe_pylayers._nets.forks.dialects import Dialect, behind
from caffe_pylayers._nets.forks.reading import short_float

_STATISTICS = ("mean", "variance", "inverse_std", "correction")


def _hold(layer: Any, learned: Sequence[str], held: Sequence[str] = _STATISTICS) -> None:
    """Give each learned blob its rates, and those that no solver is to change 0, as these forks do."""
    for i, name in enumerate(learned):
        if len(layer.param) == i:
            layer.param.add()
        if name in held:
            layer.param[i].lr_mult = layer.param[i].decay_mult = 0


def _blob_axes(layer: Any) -> int:
    """Return the number of axes of the learned blobs: in the weights, where they have any, else four."""
    return (len(layer.blobs[0].shape.dim) if layer.blobs else 0) or 4


def _given(layer: Any, fields: str) -> bool:
    return any(layer.bn_param.HasField(name) for name in fields.split())


# --- BN ------------------------------------------------------------------------------------------


def _two_blobs(layer: Any) -> bool:
    """Return True for SegNet's BN, which has no running statistics."""
    if layer.blobs:
        return len(layer.blobs) == 2
    fillers = _given(layer, "scale_filler shift_filler") and not _given(layer, "var_eps moving_average decay axis")
    return len(layer.top) > 1 or _given(layer, "bn_mode") or fillers


def _segnet(layer: Any) -> dict[str, Any]:
    return {
        "learned": ["scale", "shift"],
        "blob_axes": _blob_axes(layer),
        "scale": short_float(layer.bn_param.scale_filler.value),
        "shift": short_float(layer.bn_param.shift_filler.value),
        "eps": 1e-9,
    }


def _ctpn(layer: Any) -> dict[str, Any]:
    param = layer.bn_param
    return {
        "blob_axes": _blob_axes(layer),
        "scale": short_float(param.scale_filler.value),
        "shift": short_float(param.shift_filler.value),
        "variance": 0.0,
        "use_global_stats": None if param.moving_average else False,
        "moving_average_fraction": short_float(1 - param.decay),
    }


def _learned_of_pspnet(layer: Any) -> list[str]:
    return ["scale", "shift", "mean", "inverse_std" if layer.bn_param.inverse_std else "variance"]


def _pspnet(layer: Any) -> dict[str, Any]:
    param = layer.bn_param
    return {
        "learned": _learned_of_pspnet(layer),
        "blob_axes": _blob_axes(layer),
        "scale": short_float(param.slope_filler.value),
        "shift": short_float(param.bias_filler.value),
        "variance": float(param.frozen or param.inverse_std),
    }


def _hold_of_pspnet(layer: Any) -> None:
    learned = _learned_of_pspnet(layer)
    _hold(layer, learned, learned if layer.bn_param.frozen else _STATISTICS)


# --- BatchNorm -----------------------------------------------------------------------------------


def _scales(layer: Any) -> bool:
    """Return True for a BatchNorm with a scale of its own, of NVIDIA's or Intel's Caffe."""
    param = layer.batch_norm_param
    fillers = any(param.HasField(name) for name in ("scale_filler", "bias_filler", "filler"))
    return len(layer.blobs) > 3 or (param.use_weight_bias and (fillers or param.scale_bias))


def _learned_of_batch_norm(layer: Any) -> list[str]:
    blobs = ["mean", "variance", "correction", "scale", "shift"]
    if len(layer.blobs) > 2 and math.prod(layer.blobs[2].shape.dim) > 1:  # NVIDIA's before 0.16
        return [*blobs[3:], *blobs[:3]]
    return blobs[:4] if len(layer.blobs) == 4 or not layer.batch_norm_param.bias_term else blobs


def _batch_norm(layer: Any) -> dict[str, Any]:
    intel = layer.batch_norm_param.HasField("filler")
    return {
        "learned": _learned_of_batch_norm(layer),
        "variance": 0.0,
        "averaging": "sum" if intel else "from_first",
        "unbiased": True,
        "eps": max(short_float(layer.batch_norm_param.eps), 1e-5),
        "blob_axes": _blob_axes(layer) if layer.blobs else 1,
    }


def _of_parts(layer: Any) -> dict[str, Any]:
    """Return what Caffe's BatchNorm is, where Intel's takes a part of a batch for one."""
    return {
        "learned": ["mean", "variance", "correction"],
        "variance": 0.0,
        "averaging": "sum",
        "unbiased": True,
        "eps": short_float(layer.batch_norm_param.eps),
    }


def _hold_of_batch_norm(layer: Any) -> list[Any]:
    _hold(layer, _learned_of_batch_norm(layer))
    return [behind(layer, "ReLU")] if layer.batch_norm_param.relu else []


# --- Normalize -----------------------------------------------------------------------------------


def _face(layer: Any) -> dict[str, Any]:
    older, param = layer.softmax_param, layer.normalize_param
    kind = (older if older.HasField("normalize_type") else param).normalize_type
    return {"p": {"L1": 1, "L2": 2}.get(kind, kind), "eps": 1e-6}


def _of_face(layer: Any) -> bool:
    return not layer.HasField("norm_param") and not len(layer.blobs)


ROWS = [
    Dialect(
        "BN",
        "batch_norm.BatchNorm",
        "bn_param",
        "bn_mode=use_global_stats",
        read="scale_filler.value shift_filler.value",
        values={"learn": False, "inference": True},
        more=_segnet,
        change=lambda layer: _hold(layer, ["scale", "shift"]),
        meant=_two_blobs,
    ),
    Dialect(
        "BN",
        "batch_norm.BatchNorm",
        "bn_param",
        "var_eps=eps axis",
        read="scale_filler.value shift_filler.value moving_average decay",
        more=_ctpn,
        change=lambda layer: _hold(layer, ["scale", "shift", "mean", "variance"]),
        meant=lambda layer: _given(layer, "scale_filler shift_filler var_eps moving_average decay axis"),
    ),
    Dialect(
        "BN",
        "batch_norm.BatchNorm",
        "bn_param",
        "momentum=moving_average_fraction eps frozen",
        read="slope_filler.value bias_filler.value inverse_std",
        more=_pspnet,
        change=_hold_of_pspnet,
    ),
    Dialect(
        "BatchNorm",
        "batch_norm.BatchNorm",
        "batch_norm_param",
        "use_global_stats moving_average_fraction scale_filler.value=scale filler.value=scale bias_filler.value=shift "
        "stats_batch_size",
        read="eps scale_bias use_weight_bias bias_term relu",
        more=_batch_norm,
        change=_hold_of_batch_norm,
        meant=_scales,
    ),
    Dialect(
        "BatchNorm",
        "batch_norm.BatchNorm",
        "batch_norm_param",
        "use_global_stats moving_average_fraction stats_batch_size",
        read="eps",
        more=_of_parts,
        change=lambda layer: _hold(layer, ["mean", "variance", "correction"]),
        meant=lambda layer: bool(layer.batch_norm_param.stats_batch_size),
    ),
    Dialect(
        "Normalize",
        "embeddings.LpNormalize",
        "normalize_param softmax_param",
        "fix_gradient bp_norm",
        read="normalize_type",
        more=_face,
        meant=_of_face,
    ),
]

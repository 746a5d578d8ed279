"""Optical flow."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.reading import short_float


def _means(layer: Any) -> dict[str, Any]:
    """Return the mean, where it counts, and the size of that of pixels in the weights."""
    param, found = layer.augmentation_param, {}
    if len(param.mean) == 3 and not param.mean_per_pixel and not param.recompute_mean:
        found["mean"] = [short_float(value) for value in param.mean]
    if len(layer.blobs) > 1:
        blob = layer.blobs[1]
        found["mean_size"] = list(blob.shape.dim[2:]) if blob.HasField("shape") else [blob.height, blob.width]
    return found


def _hold(layer: Any) -> None:
    """Give the mean a rate of 0."""
    blobs = 3 if layer.augmentation_param.recompute_mean else 1
    while len(layer.param) < blobs:
        layer.param.add()
    for param in layer.param[:blobs]:
        param.lr_mult = param.decay_mult = 0


def _mean_scale(layer: Any) -> dict[str, Any]:
    """Return the scale of a mean, less than 0 where it is subtracted."""
    param = layer.mean_param
    subtract = param.DESCRIPTOR.fields_by_name["operation"].enum_type.values_by_name["SUBTRACT"].number
    return {"mean_scale": short_float(param.mean_scale) * (-1 if param.operation == subtract else 1)}


def _scale(layer: Any) -> None:
    """Make a Power of an Eltwise."""
    layer.power_param.scale = layer.eltwise_param.coeff[0] if layer.eltwise_param.coeff else 1
    layer.ClearField("eltwise_param")


def _diagonal(layer: Any) -> bool:
    """Return True for a Convolution whose weights begin as a diagonal, of each position alone."""
    param = layer.convolution_param
    return (
        param.weight_filler.type == "diagonal"
        and list(param.kernel_size) == [1]
        and all(stride == 1 for stride in param.stride)
        and not any(param.pad)
        and not param.bias_filler.value
    )


_CORRELATION = "kernel_size max_displacement pad stride_1 stride_2 correlation_type"


def _normalization(param: Any) -> dict[str, Any]:
    return {"normalization": "valid" if param.normalize_by_num_entries else "batch"}


def _l1(layer: Any) -> dict[str, Any]:
    param = layer.l1_loss_param
    if param.l2_per_location:
        return {"p": [2], "q": [0.5], "q_epsilon": short_float(param.epsilon), **_normalization(param)}
    return {"p": [1], "q": [1], "q_epsilon": 0, "by_location": False, **_normalization(param)}


ROWS = [
    Dialect(
        "L1Loss",
        "flow_losses.LpqLoss",
        "l1_loss_param",
        "l2_prescale_by_channels=channel_mean plateau",
        read="l2_per_location normalize_by_num_entries epsilon",
        more=_l1,
    ),
    Dialect(
        "LpqLoss",
        "flow_losses.LpqLoss",
        "lpq_loss_param",
        "l2_prescale_by_channels=channel_mean p_epsilon q_epsilon pq_episode_starts_at_iter=start p q",
        read="normalize_by_num_entries",
        more=lambda layer: _normalization(layer.lpq_loss_param),
    ),
    Dialect(
        "Correlation",
        "cost_volume.Correlation",
        "correlation_param",
        _CORRELATION,
        ignored="do_abs single_direction",
    ),
    Dialect(
        "Correlation1D",
        "cost_volume.Correlation1D",
        "correlation_param",
        f"{_CORRELATION} single_direction",
        ignored="do_abs",
    ),
    Dialect(
        "FLOWriter", "flow_files.FlowWriter", "writer_param", "file folder prefix suffix", ignored="normalize scale"
    ),
    Dialect("FlowWarp", "flow.FlowWarp", "flow_warp_param", "fill_value"),
    Dialect("Warp", "flow.Warp"),
    Dialect("Grid", "flow.PixelGrid"),
    Dialect(
        "Resample",
        "resampling.Resample",
        "resample_param",
        "height+width=size type=mode antialias",
        ignored="factor",
        values={"linear": "bilinear", "cubic": "bicubic"},
        more=lambda layer: {"legacy_offsets": True},
        meant=lambda layer: len(layer.bottom) < 2,
    ),
    Dialect(
        "Resample",
        "resampling.Resample",
        "resample_param",
        "type=mode antialias",
        ignored="factor height width",
        values={"linear": "bilinear", "cubic": "bicubic"},
        more=lambda layer: {"legacy_offsets": True},
    ),
    Dialect(
        "Downsample",
        "resampling.Downsample",
        "downsample_param",
        "top_height+top_width=size",
        meant=lambda layer: len(layer.bottom) < 2,
    ),
    Dialect("Downsample", "resampling.Downsample", "downsample_param", ignored="top_height top_width"),
    Dialect(
        "DataAugmentation",
        "means.SubtractRunningMean",
        "augmentation_param",
        "recompute_mean=iterations mean_per_pixel crop_height+crop_width=size",
        read="mean",
        ignored="write_augmented max_multiplier augment_during_test write_mean",
        more=_means,
        change=_hold,
    ),
    Dialect(
        "Mean",
        "means.AddMean",
        "mean_param",
        "value=mean input_scale output_scale",
        read="operation mean_scale",
        more=_mean_scale,
    ),
    Dialect("ExpMax", "flow_activations.ExpMax", "expmax_param", "scale shift"),
    Dialect("NegSquare", "flow_activations.NegSquare"),
    Dialect("NegReLU", "flow_activations.NegReLU", "relu_param", "negative_slope"),
    Dialect(
        "Convolution",
        "learned.LearnedMatrix",
        "convolution_param",
        "bias_term weight_filler.diag_val=diagonal",
        read="num_output weight_filler.type bias_filler kernel_size stride pad",
        meant=_diagonal,
    ),
    Dialect(
        "Eltwise",
        equal="Power",
        change=_scale,
        meant=lambda layer: len(layer.bottom) == 1 and layer.eltwise_param.operation == layer.eltwise_param.SUM,
        unmarked=True,
    ),
    Dialect("ChannelNorm", "shapes.Reduce", more=lambda layer: {"operation": "norm", "axes": [1], "keepdims": True}),
]

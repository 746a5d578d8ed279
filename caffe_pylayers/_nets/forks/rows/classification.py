"""Classification and mobile nets."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer.phases import TRAIN
from caffe_pylayers._nets.forks.dialects import Dialect, behind
from caffe_pylayers._nets.forks.messages import of_forks


def _one_group_each(layer: Any) -> list[Any]:
    layer.convolution_param.group = layer.convolution_param.num_output
    return _convolution(layer)


def _convolution(layer: Any) -> list[Any]:
    """Make DeepLab's holes dilation, and Intel's ReLU a layer."""
    param, found = layer.convolution_param, []
    if param.HasField("hole_h") or param.HasField("hole_w"):
        param.dilation[:] = [param.hole_h or 1, param.hole_w or 1]
    elif param.hole:
        param.dilation[:] = param.hole
    if param.relu:
        relu = behind(layer, "ReLU")
        if param.negative_slope:
            relu.relu_param.negative_slope = param.negative_slope
        found.append(relu)
    for name in ("hole", "hole_h", "hole_w", "relu", "negative_slope"):
        param.ClearField(name)
    return found


def _eltwise(layer: Any) -> list[Any]:
    found = [behind(layer, "ReLU")] if layer.eltwise_param.relu else []
    layer.eltwise_param.ClearField("relu")
    return found


def _splits(layer: Any) -> list[Any]:
    """Make a Split of each bottom: in one process nothing is gathered, and nothing is scattered."""
    found = []
    for i, (bottom, top) in enumerate(zip(layer.bottom[1:], layer.top[1:]), 1):
        split = type(layer)(name=f"{layer.name}.{i}", type="Split", bottom=[bottom], top=[top])
        split.include.extend(layer.include)
        split.exclude.extend(layer.exclude)
        found.append(split)
    del layer.bottom[1:], layer.top[1:]
    return found


def _dropout(layer: Any) -> list[Any]:
    """Let what SegNet samples in TEST do so by the layer's phase; and scale after it, by what Fast R-CNN keeps."""
    param, found = layer.dropout_param, []
    if param.sample_weights_test:
        layer.phase = TRAIN
    if not param.scale_train:
        scale = behind(layer, "Power")
        scale.power_param.scale = 1 - param.dropout_ratio
        found.append(scale)
    for name in ("sample_weights_test", "scale_train"):
        param.ClearField(name)
    if found and not 0 <= param.dropout_ratio <= 1:  # which counts in TEST too
        raise ValueError(f"dropout_param.dropout_ratio must be in [0, 1], got {param.dropout_ratio:g}")
    return found


# --- pooling -------------------------------------------------------------------------------------


_FLOOR = 1  # of Caffe's RoundMode


def _rounds_down(layer: Any) -> bool:
    return not layer.pooling_param.ceil_mode or layer.pooling_param.round_mode == _FLOOR


def _caffe_rounds_down(layer: Any) -> bool:
    """Return True where Caffe itself, as it is after 1.0, has a round_mode."""
    field = layer.pooling_param.DESCRIPTOR.fields_by_name["round_mode"]
    return _rounds_down(layer) and not of_forks(field.number)


def _set_round_mode(layer: Any) -> None:
    layer.pooling_param.round_mode = _FLOOR
    layer.pooling_param.ClearField("ceil_mode")


def _pooling(layer: Any) -> dict[str, Any]:
    """Return the sizes of a window of two axes, whichever way they are given."""
    param = layer.pooling_param
    found: dict[str, Any] = {"round_mode": "floor"}
    for name, both in (("kernel", "kernel_size"), ("stride", "stride"), ("pad", "pad")):
        sides = [getattr(param, f"{name}_{side}") for side in "hw"]
        found[both] = sides if param.HasField(f"{name}_h") or param.HasField(f"{name}_w") else [getattr(param, both)]
    if param.global_pooling:
        del found["kernel_size"]
    return found


# --- matrices ------------------------------------------------------------------------------------


def _matmul(layer: Any) -> dict[str, Any]:
    return {"transpose_b": True} if layer.matmul_param.HasField("dim_1") else {}


ROWS = [
    Dialect("DepthwiseConvolution", equal="Convolution", change=_convolution),
    Dialect("ConvolutionDepthwise", equal="Convolution", change=_one_group_each),
    Dialect("Convolution", equal="Convolution", change=_convolution),
    Dialect("Deconvolution", equal="Deconvolution", change=_convolution),
    Dialect("Eltwise", equal="Eltwise", change=_eltwise),
    Dialect("Gather", equal="Split", change=_splits),
    Dialect("Scatter", equal="Split", change=_splits),
    Dialect("SeLuDropout", "noise.AlphaDropout", "selu_dropout_param", "dropout_ratio alpha"),
    Dialect("Dropout", equal="Dropout", change=_dropout),
    Dialect("Pooling", equal="Pooling", change=_set_round_mode, meant=_caffe_rounds_down),
    Dialect(
        "Pooling",
        "nd_pooling.NdPooling",
        "pooling_param",
        "pool global_pooling",
        read="kernel_size kernel_h kernel_w stride stride_h stride_w pad pad_h pad_w ceil_mode round_mode",
        more=_pooling,
        meant=_rounds_down,
    ),
    Dialect("ShuffleChannel", "shuffles.ChannelShuffle", "shuffle_channel_param", "group=groups"),
    Dialect("ReLU6", "activations.ReLU6", "relu6_param", "negative_slope threshold"),
    Dialect("SeLu", "activations.SELU", "selu_param", "alpha lambda=scale"),
    Dialect("Mish", "activations.Mish"),
    Dialect("HardSwish", "activations.HardSwish"),
    Dialect("HSwish", "activations.HardSwish"),
    Dialect("Axpy", "products.Axpy"),
    Dialect(
        "MatMul",
        "products.MatMul",
        "matmul_param",
        "transpose_a transpose_b dim_1+dim_2+dim_3=sizes",
        more=_matmul,
    ),
    Dialect(
        "Parameter",
        "learned.LearnedParameter",
        "parameter_param",
        "shape.dim=shape",
        filler="blob_filler",
        meant=lambda layer: layer.parameter_param.HasField("blob_filler"),
    ),
    Dialect("InnerProductBlob", "products.InnerProductBlob"),
    Dialect(
        "Padding",
        "resizing.Pad",
        "padding_param",
        "pad_t pad_b pad_l pad_r pad_value=fill_value",
    ),
]

"""Text, sequences, video, and spatial transformers."""

from __future__ import annotations

from typing import Any, Sequence

from caffe_pylayers._nets.forks.dialects import Dialect, behind


def _nd_convolution(layer: Any) -> None:
    param = layer.convolution_param
    if not param.HasField("kernel_shape"):  # it is as this package has written it
        return
    shapes = [getattr(param, f"{name}_shape") for name in ("kernel", "stride", "pad")]
    _set_window(param, *(list(shape.dim) for shape in shapes))
    for name in ("kernel_shape", "stride_shape", "pad_shape"):
        param.ClearField(name)


def _convolution_3d(layer: Any) -> None:
    """Make C3D's convolution_param, or convolution3d_param, Caffe's: a size for each axis, frames first."""
    theirs, param = layer.convolution_param, layer.convolution_param
    if len(param.kernel_size) > 1:  # it is as this package has written it
        return
    if layer.HasField("convolution3d_param"):
        theirs = layer.convolution3d_param
        for name in ("num_output", "bias_term"):
            setattr(param, name, getattr(theirs, name))
        for name in ("weight_filler", "bias_filler"):
            if theirs.HasField(name):
                getattr(param, name).CopyFrom(getattr(theirs, name))
    _set_window(
        param,
        _depth_first(theirs.kernel_depth, theirs.kernel_size, 1),
        _depth_first(theirs.temporal_stride, theirs.stride, 1),
        _depth_first(theirs.temporal_pad, theirs.pad, 0),
    )
    for name in ("kernel_depth", "temporal_stride", "temporal_pad", "filter_group", "group"):
        param.ClearField(name)
    layer.ClearField("convolution3d_param")


def _depth_first(depth: int, sizes: Any, default: int) -> list[int]:
    """Return the sizes of depth, height and width; sizes: the number of the latter two, or a list of at most one."""
    given = [sizes] if isinstance(sizes, int) else list(sizes) or [default]
    return [depth, given[0], given[0]]


def _set_window(param: Any, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]) -> None:
    for name, sizes in (("kernel_size", kernel), ("stride", stride), ("pad", pad)):
        param.ClearField(name)
        getattr(param, name).extend(sizes)
    param.engine = param.CAFFE  # its cuDNN's takes two axes alone


def _pooling_3d(param: Any) -> dict[str, Any]:
    return {"stride": [param.temporal_stride, param.stride, param.stride], "pad": [0, param.pad, param.pad]}


def _blank(param: Any, default: int) -> int:
    """Return the class of the blank; default: where it is not given, or negative."""
    return param.blank_index if param.HasField("blank_index") and param.blank_index >= 0 else default


def _warp_ctc(layer: Any) -> dict[str, Any]:
    param = layer.ctc_loss_param
    found = {"blank_label": _blank(param, 0), "normalization": "valid", "legacy_gradient": True}
    if len(layer.bottom) == 3 and not found["blank_label"]:  # labels are numbered without the blank then
        found["label_offset"] = 1
    return found


_THETA = [f"theta_{row}_{column}" for row in (1, 2) for column in (1, 2, 3)]


def _fixed(layer: Any) -> dict[str, Any]:
    given = {i: getattr(layer.st_param, name) for i, name in enumerate(_THETA) if layer.st_param.HasField(name)}
    return {"fixed": given} if given else {}


def _repeat(layer: Any) -> list[Any]:
    """Make a Repeat a Tile along axis 1, and a Reshape behind it that makes an axis of the copies."""
    if layer.HasField("tile_param"):  # it is as this package has written it
        return []
    param = layer.repeat_param
    if len(layer.top) != 1:
        raise ValueError(f"needs 1 top, got {len(layer.top)}")
    layer.tile_param.axis, layer.tile_param.tiles = param.axis, param.num_repeats
    shape = behind(layer, "Reshape")
    shape.reshape_param.axis, shape.reshape_param.num_axes = param.axis, 1
    shape.reshape_param.shape.dim.extend([param.num_repeats, -1])
    layer.top[0] = shape.bottom[0] = f"{layer.name}.tile"
    layer.ClearField("repeat_param")
    return [shape]


_POOLING_3D = "pool kernel_depth+kernel_size+kernel_size=kernel_size"

ROWS = [
    Dialect("Transpose", "shapes.Permute", "transpose_param", "dim=order"),
    Dialect("Reverse", "shapes.Reverse", "reverse_param", "axis"),
    Dialect("ReverseTime", "shapes.Reverse", "reverse_time_param", ignored="copy_remaining"),
    Dialect(
        "Lstm",
        "recurrent.LSTM",
        "lstm_param",
        "num_output clipping_threshold bias_filler.value=bias batch_size",
        filler="weight_filler",
    ),
    Dialect(
        "ContinuationIndicator",
        "recurrent.ContinuationIndicator",
        "continuation_indicator_param",
        "time_step batch_size",
    ),
    Dialect(
        "CtcLoss",
        "ctc.CTCLoss",
        "ctc_loss_param",
        "blank_label",
        ignored="alphabet_size time_step",
        more=lambda layer: {"legacy_gradient": True},
    ),
    Dialect(
        "CTCLoss",
        "ctc.CTCLoss",
        "ctc_loss_param",
        "output_delay ctc_merge_repeated=merge_repeated preprocess_collapse_repeated=collapse_labels",
        read="blank_index",
        ignored="loss_calculation_t",
        more=lambda layer: {"blank_label": _blank(layer.ctc_loss_param, -1), "legacy_gradient": True},
    ),
    Dialect(
        "WarpCTCLoss",
        "ctc.CTCLoss",
        "ctc_loss_param",
        read="blank_index",
        ignored="output_delay ctc_merge_repeated preprocess_collapse_repeated loss_calculation_t",
        more=_warp_ctc,
    ),
    Dialect(
        "CTCGreedyDecoder",
        "label_sequences.SequenceAccuracy",
        "ctc_decoder_param",
        "ctc_merge_repeated=merge_repeated",
        read="blank_index",
        more=lambda layer: {"blank_label": _blank(layer.ctc_decoder_param, 0), "measures": ["edit", "exact"]},
        meant=lambda layer: len(layer.bottom) == 2 and len(layer.top) == 1,
    ),
    Dialect(
        "CTCGreedyDecoder",
        "label_sequences.CTCGreedyDecoder",
        "ctc_decoder_param",
        "ctc_merge_repeated=merge_repeated",
        read="blank_index",
        more=lambda layer: {"blank_label": _blank(layer.ctc_decoder_param, -1 if len(layer.bottom) > 1 else 0)},
    ),
    Dialect(
        "LabelsequenceAccuracy",
        "label_sequences.SequenceAccuracy",
        "labelsequence_accuracy_param",
        "blank_label",
        more=lambda layer: {"time_axis": 1},
    ),
    Dialect("NdConvolution", equal="Convolution", change=_nd_convolution),
    Dialect("Convolution3D", equal="Convolution", change=_convolution_3d),
    Dialect(
        "NdPooling",
        "nd_pooling.NdPooling",
        "pooling_param",
        "pool kernel_shape.dim=kernel_size stride_shape.dim=stride pad_shape.dim=pad",
        meant=lambda layer: not layer.pooling_param.global_pooling,
    ),
    Dialect(
        "NdPooling",
        "nd_pooling.NdPooling",
        "pooling_param",
        "pool global_pooling stride_shape.dim=stride pad_shape.dim=pad",
        ignored="kernel_shape",
    ),
    Dialect(
        "Pooling3D",
        "nd_pooling.NdPooling",
        "pooling3d_param",
        _POOLING_3D,
        read="stride temporal_stride pad",
        more=lambda layer: _pooling_3d(layer.pooling3d_param),
        meant=lambda layer: layer.HasField("pooling3d_param"),
    ),
    Dialect(
        "Pooling3D",
        "nd_pooling.NdPooling",
        "pooling_param",
        _POOLING_3D,
        read="stride temporal_stride pad",
        more=lambda layer: _pooling_3d(layer.pooling_param),
    ),
    Dialect(
        "SpatialTransformer",
        "spatial_transformer.SpatialTransformer",
        "st_param",
        "output_H=height output_W=width to_compute_dU=map_gradient",
        read=" ".join(_THETA),
        more=_fixed,
    ),
    Dialect(
        "Repeat", equal="Tile", param="repeat_param", change=_repeat, meant=lambda layer: layer.repeat_param.axis == 1
    ),
]

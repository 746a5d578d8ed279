"""What each layer type of a fork is here: a layer of the library, or a type of stock Caffe that equals it.

The one table of it: a fork's net as it is, its port to stock Caffe, and the errors read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from caffe_pylayers._nets.forks.messages import is_default, repeated


def _always(layer: Any) -> bool:
    return True


@dataclass(frozen=True)
class Dialect:
    """A fork's layer type with one of its meanings.

    kind: the type. layer: the library's, ``module.Class``; or equal: stock Caffe's type.
    param: the layer's field that holds its parameters; "" where it has none.
    names: the fields that count, ``name`` or ``inner.name``, each with ``=ours`` behind it where the library's
        parameter has another name; ``height+width=size`` makes a list of two.
    ignored: the fields that change no value.
    change: what else becomes of the message of a layer that equals a stock type.
    meant: of a type with several meanings, True for a layer that has this one.
    """

    kind: str
    layer: str = ""
    param: str = ""
    names: str = ""
    ignored: str = ""
    equal: str = ""
    change: Callable[[Any], None] | None = None
    meant: Callable[[Any], bool] = _always

    def parameters(self, layer: Any) -> dict[str, Any]:
        """Return what param_str holds: the values that are given, and the fork's defaults."""
        found = {}
        for words in self.names.split():
            path, _, ours = words.partition("=")
            values = [_value(getattr(layer, self.param), part.split(".")) for part in path.split("+")]
            if None not in values:
                found[ours or path.rpartition(".")[2]] = values if "+" in path else values[0]
        return found

    def unread(self, layer: Any) -> list[str]:
        """Return the fields of the layer's own message that are set, and do not count here."""
        counts = {part.split(".")[0] for words in self.names.split() for part in words.partition("=")[0].split("+")}
        return [
            field.name
            for field, value in getattr(layer, self.param).ListFields()
            if field.name not in {*counts, *self.ignored.split()} and not is_default(field, value)
        ]


def _value(message: Any, path: list[str]) -> Any:
    """Return a field's value, or its default, as a text would have it; None where there is none.

    An enumeration's comes in small letters.
    """
    *outer, name = path
    for inner in outer:
        if not message.HasField(inner):
            return None
        message = getattr(message, inner)
    field, value = message.DESCRIPTOR.fields_by_name[name], getattr(message, name)
    if repeated(field):
        return [_as_written(field, item) for item in value] or None
    if not message.HasField(name) and not field.has_default_value:
        return None
    return _as_written(field, value)


def _as_written(field: Any, value: Any) -> Any:
    if field.enum_type:
        return field.enum_type.values_by_number[value].name.lower()
    return float(str(np.float32(value))) if field.type == field.TYPE_FLOAT else value  # 0.1, not 0.10000000149


def _one_group_each(layer: Any) -> None:
    layer.convolution_param.group = layer.convolution_param.num_output


_ROI = "pooled_h pooled_w spatial_scale"

DIALECTS = [
    # SSD
    Dialect("Permute", "shapes.Permute", "permute_param", "order"),
    Dialect(
        "Normalize",
        "ssd.Normalize",
        "norm_param",
        "across_spatial channel_shared eps scale_filler.value=scale",
        meant=lambda layer: not layer.HasField("normalize_param") and len(layer.top) < 2,
    ),
    Dialect(
        "PriorBox",
        "ssd.PriorBox",
        "prior_box_param",
        "min_size max_size aspect_ratio flip clip variance img_size img_h img_w step step_h step_w offset",
    ),
    Dialect(
        "DetectionOutput",
        "ssd.DetectionOutput",
        "detection_output_param",
        "num_classes share_location background_label_id=background_label code_type variance_encoded_in_target "
        "confidence_threshold nms_param.nms_threshold nms_param.top_k nms_param.eta keep_top_k objectness_score",
        ignored="visualize visualize_threshold save_file save_output_param",
    ),
    # R-CNN
    Dialect("ROIPooling", "roi_pooling.ROIPooling", "roi_pooling_param", _ROI),
    Dialect("SmoothL1Loss", "regression.SmoothL1Loss", "smooth_l1_loss_param", "sigma"),
    # segmentation
    Dialect(
        "Interp",
        "resizing.ResizeFeatures",
        "interp_param",
        "zoom_factor shrink_factor pad_beg pad_end",
        ignored="height width",
        meant=lambda layer: layer.interp_param.HasField("zoom_factor") or layer.interp_param.HasField("shrink_factor"),
    ),
    Dialect("Interp", "resizing.ResizeFeatures", "interp_param", "height+width=size pad_beg pad_end"),
    # classification, mobile nets
    Dialect("DepthwiseConvolution", equal="Convolution"),
    Dialect("ConvolutionDepthwise", equal="Convolution", change=_one_group_each),
    Dialect("ShuffleChannel", "shuffles.ChannelShuffle", "shuffle_channel_param", "group=groups"),
    Dialect("ReLU6", "activations.ReLU6", "relu6_param", "negative_slope"),
    Dialect("Mish", "activations.Mish"),
]

_IN_PYTHON = {"Python"} | {row.kind for row in DIALECTS if row.layer}


def in_python(layer: Any) -> bool:
    """Return True for a layer that its python_param's class computes: of the type Python, or lowered from a fork's."""
    return layer.type in _IN_PYTHON and layer.HasField("python_param")

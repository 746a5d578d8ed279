"""What each layer type of a fork is here: a layer of the library, or a type of stock Caffe that equals it.

The one table of it: a fork's net as it is, its port to stock Caffe, and the errors read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

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
    values: what an enumeration's value is here, by its name in small letters; the name, where it is not among them.
    fixed: further parameters of the library's layer. filler: the field with the filler of its learned blob.
    change: what else becomes of the message of a layer that equals a stock type.
    meant: of a type with several meanings, True for a layer that has this one.
    """

    kind: str
    layer: str = ""
    param: str = ""
    names: str = ""
    ignored: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    filler: str = ""
    equal: str = ""
    change: Callable[[Any], None] | None = None
    meant: Callable[[Any], bool] = _always

    def parameters(self, layer: Any) -> dict[str, Any]:
        """Return what param_str holds: the values that are given, and the fork's defaults."""
        found = dict(self.fixed)
        if self.filler:
            found.update(_filler(getattr(getattr(layer, self.param), self.filler)))
        for words in self.names.split():
            path, _, ours = words.partition("=")
            values = [_value(getattr(layer, self.param), part.split(".")) for part in path.split("+")]
            if None not in values:
                value = values if "+" in path else values[0]
                found[ours or path.rpartition(".")[2]] = (
                    self.values.get(value, value) if isinstance(value, str) else value
                )
        return found

    def unread(self, layer: Any) -> list[str]:
        """Return the fields of the layer's own message that are set, and do not count here."""
        counts = {self.filler} | {
            part.split(".")[0] for words in self.names.split() for part in words.partition("=")[0].split("+")
        }
        message = getattr(layer, self.param)
        unread = [
            known.name
            for known, value in message.ListFields()
            if known.name not in {*counts, *self.ignored.split()} and not is_default(known, value)
        ]
        if self.filler and not _filler(getattr(message, self.filler)):
            unread.append(self.filler)
        return unread


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


# By filler: the library's filler_value, or None for a filler that it has not.
_FILLER_VALUES: dict[str, Callable[[Any], float | None]] = {
    "constant": lambda filler: filler.value,
    "uniform": lambda filler: filler.max if filler.min == -filler.max else None,
    "gaussian": lambda filler: None if filler.mean or filler.sparse >= 0 else filler.std,
    "xavier": lambda filler: None if filler.variance_norm else 0.0,
    "msra": lambda filler: None if filler.variance_norm else 0.0,
}


def _filler(filler: Any) -> dict[str, Any]:
    """Return the library's parameters for a FillerParameter; {} for one that it has no equal of."""
    value = _FILLER_VALUES[filler.type](filler) if filler.type in _FILLER_VALUES else None
    if value is None:
        return {}
    found = {"filler": filler.type}
    return {**found, "filler_value": float(str(np.float32(value)))} if value else found


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
    # faces, domains
    Dialect(
        "CenterLoss",
        "center_loss.CenterLoss",
        "center_loss_param",
        "num_output=num_classes",
        filler="center_filler",
    ),
    Dialect(
        "MarginInnerProduct",
        "margin_heads.MarginInnerProduct",
        "margin_inner_product_param",
        "num_output=num_classes base gamma power lambda_min iteration=start_iter type=margin",
        filler="weight_filler",
        values={"single": 1, "double": 2, "triple": 3, "quadruple": 4},
        fixed={"legacy_version": True},
    ),
    # sequences, flow
    Dialect("Transpose", "shapes.Permute", "transpose_param", "dim=order"),
    Dialect("ChannelNorm", "shapes.Reduce", fixed={"operation": "norm", "axes": [1], "keepdims": True}),
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

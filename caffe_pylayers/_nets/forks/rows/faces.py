"""Faces, metric learning, domains."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect, short_float


def _directions(layer: Any) -> bool:
    """Return True for caffe-windows' InnerProduct by the directions of its rows."""
    param = layer.inner_product_param
    return bool(param.normalize and not param.bias_term and not param.transpose and len(layer.bottom) == 1)


def _focal(layer: Any) -> bool:
    """Return True for the focal losses that forks compute: LINEAR none does, and of 1 + p only one without alpha."""
    param = layer.focal_loss_param
    return param.type == 0 or (param.type == 2 and (not param.HasField("alpha") or param.alpha == 1))


def _more_of_focal(layer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if layer.softmax_param.HasField("axis"):
        found["axis"] = layer.softmax_param.axis
    if layer.focal_loss_param.type == 2:
        found["alpha"] = 1.0
    if layer.loss_param.HasField("normalize") and not layer.loss_param.HasField("normalization"):
        found["normalization"] = "valid" if layer.loss_param.normalize else "batch"
    return found


ROWS = [
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
        more=lambda layer: {"legacy_version": True},
    ),
    Dialect(
        "InnerProduct",
        "margin_heads.MarginInnerProduct",
        "inner_product_param",
        "num_output=num_classes",
        read="normalize bias_term",
        ignored="bias_filler",
        filler="weight_filler",
        more=lambda layer: {"margin": 1, "legacy_version": True},
        meant=_directions,
    ),
    Dialect(
        "LabelSpecificAdd",
        "margin_heads.LabelSpecificAdd",
        "label_specific_add_param",
        "bias bias_gamma bias_power bias_min bias_max iteration=start_iter",
        read="bias_base",
        ignored="transform_test",  # which has no effect there
        more=lambda layer: (
            {"bias_base": short_float(layer.label_specific_add_param.bias_base)}
            if layer.label_specific_add_param.HasField("bias_base")
            else {}
        ),
    ),
    Dialect("Norm", "embeddings.LpNormalize", more=lambda layer: {"p": 2, "eps": 1e-12}),
    Dialect("TripletLoss", "triplet.TripletLoss", "triplet_loss_param", "margin", more=lambda layer: {"half": True}),
    Dialect(
        "LiftedStructSimilaritySoftmaxLoss",
        "metric_losses.LiftedStructureLoss",
        "lifted_struct_sim_softmax_loss_param",
        "margin",
    ),
    Dialect(
        "FocalLoss",
        "focal.SoftmaxFocalLoss",
        "focal_loss_param loss_param softmax_param",
        "type=one_add_p gamma alpha axis normalization ignore_label",
        read="normalize",
        ignored="beta engine",
        values={"origin": False, "oneaddp": True, "batch_size": "batch"},
        more=_more_of_focal,
        meant=_focal,
    ),
]

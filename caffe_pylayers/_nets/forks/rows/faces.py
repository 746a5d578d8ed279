"""Faces, metric learning, domains."""

from __future__ import annotations

from typing import Any, Callable

from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.fillers import filler_parameters
from caffe_pylayers._nets.forks.normalize import NORMALIZATIONS, by_normalize
from caffe_pylayers._nets.forks.reading import short_float


def _directions(layer: Any) -> bool:
    """Return True for caffe-windows' InnerProduct by the directions of its rows."""
    param = layer.inner_product_param
    return bool(param.normalize and not param.bias_term and not param.transpose and len(layer.bottom) == 1)


def _of_two(layer: Any) -> bool:
    """Return True for caffe-windows' InnerProduct with the rows of a second bottom as its weights."""
    param = layer.inner_product_param
    return len(layer.bottom) == 2 and param.axis == 1 and not param.bias_term and not param.transpose


def _bounded(layer: Any) -> bool:
    """Return True for a Scale whose learned factors caffe-windows bounds, along axes that its fields name."""
    param = layer.scale_param
    bounded = param.HasField("min_value") or param.HasField("max_value")
    return bounded and len(layer.bottom) == 1 and not param.bias_term and param.axis >= 0 and param.num_axes >= 0


def _more_of_scale(layer: Any) -> dict[str, Any]:
    param = layer.scale_param
    return {"axes": list(range(param.axis, param.axis + param.num_axes))}


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
    return {**found, **by_normalize(layer)}


def _distances(layer: Any) -> bool:
    """Return True for the InnerDistance that caffe-windows computes."""
    param = layer.inner_distance_param
    return not param.transpose and (not param.update_center_only or len(layer.bottom) == 3)


def _more_of_distances(layer: Any) -> dict[str, Any]:
    """Return the learned vectors' number, where there are any."""
    if len(layer.bottom) > 1:
        return {}
    param = layer.inner_distance_param
    filler = filler_parameters(param.weight_filler)
    return {"num_classes": param.num_output, **filler}


def _without_bias(layer: Any) -> None:
    """Leave out the rates of a bias, which InnerDistance had once."""
    del layer.param[1:]


def _named_top(layer: Any) -> None:
    """Give a loss its top, where a net has none for it."""
    if not layer.top:
        layer.top.append(layer.name)
        layer.loss_weight.append(1)


def _bound(param: str) -> Callable[[Any], dict[str, Any]]:
    """Return what reads the bound that a loss of caffe-windows has with positive_first."""

    def more(layer: Any) -> dict[str, Any]:
        fields = getattr(layer, param)
        return {"positive_upper_bound": short_float(fields.positive_upper_bound)} if fields.positive_first else {}

    return more


def _rising_bias(param: Any) -> dict[str, Any]:
    """Return what has a meaning where there is a bias_base: 0 is a bound there, even where none is given."""
    names = ["bias_base", "bias_gamma", "bias_power", "bias_min", "bias_max"] if param.HasField("bias_base") else []
    return {name: short_float(getattr(param, name)) for name in names}


ROWS = [
    Dialect(
        "Accuracy",
        "accuracy.TopKAccuracy",
        "accuracy_param",
        "axis ignore_label",
        read="top_k min_is_better",
        more=lambda layer: {"k": [layer.accuracy_param.top_k], "lowest": True},
        meant=lambda layer: layer.accuracy_param.min_is_better and len(layer.top) == 1,
    ),
    Dialect(
        "InnerDistance",
        "class_distances.InnerDistance",
        "inner_distance_param",
        "axis distance_type=p normalize update_center_only",
        read="num_output weight_filler",
        ignored="bias_term bias_filler",  # which have no effect there
        values={"L2": 2, "L1": 1},
        more=_more_of_distances,
        change=_without_bias,
        meant=_distances,
    ),
    Dialect(
        "GeneralTripletLoss",
        "class_distances.ClassTripletLoss",
        "general_triplet_loss_param",
        "margin hardest_only add_center_loss positive_weight negative_weight",
        read="positive_first positive_upper_bound",
        more=lambda layer: {"legacy_version": True, **_bound("general_triplet_loss_param")(layer)},
    ),
    Dialect(
        "GeneralContrastiveLoss",
        "class_distances.ClassContrastiveLoss",
        "general_contrastive_loss_param",
        "positive_margin negative_margin positive_weight negative_weight positive_outlier_thresh exp_negative_weight "
        "max_negative_only=hardest_only",
        read="positive_first positive_upper_bound",
        ignored="square max_negative_margin",  # no code there reads the one, the other counts with add_intra_mae
        more=_bound("general_contrastive_loss_param"),
        meant=lambda layer: len(layer.bottom) == 2,
    ),
    Dialect(
        "RankHardLoss",
        "metric_losses.PairRankingLoss",
        "rank_param",
        "neg_num pair_size margin",
        read="hard_ratio rand_ratio",
        more=lambda layer: {
            name: short_float(getattr(layer.rank_param, name)) for name in ("hard_ratio", "rand_ratio")
        },
        change=_named_top,
    ),
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
        "InnerProduct",
        "products.InnerProductBlob",
        "inner_product_param",
        read="bias_term",
        ignored="num_output normalize weight_filler bias_filler",  # which have no effect there
        more=lambda layer: {"spatial_axes": False},
        meant=_of_two,
        unmarked=True,
    ),
    Dialect(
        "SoftmaxWithLoss",
        "cross_entropy.SoftmaxCrossEntropyLoss",
        "loss_param softmax_param",
        "axis ignore_label normalization",
        read="normalize",
        values={**NORMALIZATIONS, "valid": "weights"},
        more=lambda layer: by_normalize(layer, "weights"),
        meant=lambda layer: len(layer.bottom) == 3,  # the last are weights
        unmarked=True,
    ),
    Dialect(
        "Scale",
        "learned.LearnedScale",
        "scale_param",
        "min_value max_value",
        read="axis num_axes bias_term",
        ignored="bias_filler",
        filler="filler",
        more=_more_of_scale,
        meant=_bounded,
    ),
    Dialect(
        "ChannelScale",
        "embeddings.ChannelScale",
        "channel_scale_param",
        "do_forward do_backward_feature do_backward_scale",
        ignored="max_global_scale min_global_scale init_global_scale",  # of global_scale
    ),
    Dialect(
        "LabelSpecificAdd",
        "label_scores.LabelSpecificAdd",
        "label_specific_add_param",
        "bias iteration=start_iter",
        read="bias_base bias_gamma bias_power bias_min bias_max",
        ignored="transform_test",  # which has no effect there
        more=lambda layer: _rising_bias(layer.label_specific_add_param),
    ),
    Dialect(
        "LabelSpecificRescale",
        "label_scores.LabelSpecificRescale",
        "label_specific_rescale_param",
        "positive_weight negative_weight rescale_test for_ip positive_weight_base gamma power positive_weight_min "
        "positive_weight_max bias_fix iteration=start_iter",
        ignored="positive_lower_bound negative_upper_bound",  # which have no effect there
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
        ignored="beta",
        values={"origin": False, "oneaddp": True, **NORMALIZATIONS},
        more=_more_of_focal,
        meant=_focal,
    ),
]

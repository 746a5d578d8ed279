"""What a layer means by the rest of its net, where no field of its own says it: said by fields of its own."""

from __future__ import annotations

from typing import Any, Iterator

from caffe_pylayers._nets.forks.names import WINDOWS, fork_of_type
from caffe_pylayers._nets.titles import title

_HEADS = {"DetectionOutput": "detection_output_param", "MultiBoxLoss": "multibox_loss_param"}
_REARRANGED = {"Permute", "Flatten", "Reshape"}

# By the number of a location's values: is it a box with the corners of a polygon, or with a rotated box?
_OUTLINES = {4: None, 12: True, 9: False}


def settle(net: Any) -> list[str]:
    """Give each layer of a NetParameter with the forks' fields those that its net implies.

    Returns what is a guess, ``layer "x" (Type): how to say it``.
    """
    if net.bn_stats_batch_size:
        for layer in net.layer:
            if layer.type == "BatchNorm" and not layer.batch_norm_param.use_global_stats:
                layer.batch_norm_param.stats_batch_size = net.bn_stats_batch_size
    net.ClearField("bn_stats_batch_size")
    # HED's, as is its SigmoidCrossEntropyLoss; with a python_param it is a net that has been read already.
    if any(layer.type == "ImageLabelmapData" and not layer.HasField("python_param") for layer in net.layer):
        for layer in net.layer:
            if layer.type == "SigmoidCrossEntropyLoss" and not layer.loss_param.HasField("balanced"):
                layer.loss_param.balanced = True
    guesses: dict[str, str] = {}  # the first of a kind: it is in all maps of a net
    makers = {top: layer for layer in net.layer for top in layer.top if top not in layer.bottom}
    for layer in net.layer:
        if layer.type in _HEADS and len(layer.bottom) > 2:
            param = getattr(layer, _HEADS[layer.type])
            each = 1 if param.share_location else param.num_classes
            for head, prior in zip(_sources(layer.bottom[0], makers), _sources(layer.bottom[2], makers)):
                if (head.type, prior.type) == ("Convolution", "PriorBox"):
                    outputs = head.convolution_param.num_output / each
                    for kind, guess in _settle_locations(layer, param, outputs, head, prior):
                        guesses.setdefault(kind, guess)
    return list(guesses.values())


def doubts(net: Any) -> list[str]:
    """Return what a NetParameter with the forks' fields does not tell, ``layer "x" (Type): how to say it``."""
    theirs = next((layer for layer in net.layer if fork_of_type(layer.type) == WINDOWS), None)
    norms = [
        layer
        for layer in net.layer
        if layer.type == "BN" and not layer.bn_param.HasField("inverse_std") and not layer.HasField("python_param")
    ]
    if theirs is None or not norms:
        return []
    return [
        f"{title(norms[0])}: read as PSPNet's, which keeps the variance. {title(theirs)} is of {WINDOWS}, which keeps "
        "1 / sqrt(variance + eps): if the weights are of that fork write bn_param { inverse_std: true }, else false"
    ]


def _settle_locations(layer: Any, param: Any, outputs: float, head: Any, prior: Any) -> Iterator[tuple[str, str]]:
    """Tell nets of TextBoxes, with twice as many priors, and of TextBoxes++ by what a head puts out for a class.

    Yields (fork, what is a guess): an SSD whose priors do not fit its head may look like one.
    """
    from caffe_pylayers._layer.detection.prior_boxes import all_ratios  # which loads numpy: few nets ask

    priors = prior.prior_box_param
    ratios = len(all_ratios(priors.aspect_ratio, priors.flip))
    boxes = (len(priors.min_size) * ratios + len(priors.max_size)) * (1 + priors.denser_prior_boxes)
    values = outputs / boxes if boxes else 0
    if values not in _OUTLINES and values / 2 in _OUTLINES and not priors.HasField("denser_prior_boxes"):
        yield (
            "TextBoxes",
            f"{title(prior)}: read as TextBoxes', with a second prior below each, as {title(head)} has outputs for "
            f"{2 * boxes} priors at a place, and {boxes} are given: write denser_prior_boxes: true in each "
            "prior_box_param, or false for SSD's",
        )
        priors.denser_prior_boxes = True
        boxes, values = 2 * boxes, values / 2
    if _OUTLINES.get(values) is not None and not param.HasField("use_polygon"):
        param.use_polygon = _OUTLINES[values]
        what = "polygon" if param.use_polygon else "rotated box"
        yield (
            "TextBoxes++",
            f"{title(layer)}: read as TextBoxes++'s, where a location is a box and a {what}, as {title(head)} has "
            f"{values:g} values for each of {boxes} priors at a place; SSD's has 4",
        )


def _sources(blob: str, makers: dict[str, Any]) -> Iterator[Any]:
    """Yield the layers that compute the parts of a blob, in their order, whatever rearranges and joins them."""
    layer = makers.get(blob)
    while layer is not None and layer.type in _REARRANGED and len(layer.bottom) == 1:
        layer = makers.get(layer.bottom[0])
    if layer is not None and layer.type == "Concat":
        for part in layer.bottom:
            yield from _sources(part, makers)
    elif layer is not None:
        yield layer

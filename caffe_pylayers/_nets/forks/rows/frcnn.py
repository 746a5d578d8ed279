"""Faster R-CNN as makefile/frcnn trains it. Most of its numbers are in a file of settings: here are those of VOC."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect

_VOC = {"BG_THRESH_LO": 0.0, "BBOX_NORMALIZE_STDS": [0.1, 0.1, 0.2, 0.2]}


def _info_last(layer: Any) -> None:
    """Exchange the tops im_info and gt_boxes."""
    if len(layer.top) > 2:
        layer.top[1], layer.top[2] = layer.top[2], layer.top[1]


def _targets(layer: Any) -> dict[str, Any]:
    return {**_VOC, "num_classes": layer.proposal_target_param.cls_num or 21}


ROWS = [
    Dialect(
        "FrcnnRoiData",
        "box_data.BoxesList",
        "window_data_param",
        "source root_folder=root config=settings",
        ignored="cache_images",
        more=lambda layer: {"flagged": "take"},
        change=_info_last,
    ),
    Dialect("FrcnnAnchorTarget", "anchors.AnchorTarget"),
    Dialect(
        "FrcnnProposalTarget",
        "proposals.ProposalTarget",
        "proposal_target_param",
        read="cls_num",
        more=_targets,
    ),
]

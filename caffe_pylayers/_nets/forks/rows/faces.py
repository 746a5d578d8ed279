"""Faces, metric learning, domains."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect

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
]

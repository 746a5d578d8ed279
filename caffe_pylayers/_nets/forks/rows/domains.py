"""Domain adaptation, in Xlearn's Caffe."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect
from caffe_pylayers._nets.forks.reading import short_float


def _jmmd(layer: Any) -> dict[str, Any]:
    param = layer.jmmd_param
    sigma = {} if param.auto_sigma or not param.sigma else {"sigma": short_float(param.sigma)}
    return {**sigma, "legacy_gradient": True}


ROWS = [
    Dialect(
        "GradientScaler",
        "gradients.GradientReversal",
        "gradient_scaler_param",
        "lower_bound upper_bound alpha threshold_iter",
        read="max_iter",
        more=lambda layer: {"max_iter": int(layer.gradient_scaler_param.max_iter)},
    ),
    Dialect(
        "MMDLoss",
        "domains.MMDLoss",
        "mmd_param",
        "kernel_num kernel_mul fix_gamma",
        more=lambda layer: {"legacy_gradient": True},
    ),
    Dialect(
        "JMMDLoss",
        "domains.JMMDLoss",
        "jmmd_param",
        "kernel_num kernel_mul fix_gamma label_kernel_num label_kernel_mul",
        read="sigma auto_sigma",
        more=_jmmd,
    ),
    Dialect("OuterProduct", "products.OuterProduct", more=lambda layer: {"as_map": True}),
    Dialect(
        "EntropyLoss",
        "domains.EntropyLoss",
        "entropy_param",
        "threshold iterations_num=threshold_iter",
        ignored="ignore_label",
    ),
]

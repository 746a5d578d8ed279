"""Domain adaptation, in Xlearn's Caffe."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect

ROWS = [
    Dialect(
        "GradientScaler",
        "gradients.GradientReversal",
        "gradient_scaler_param",
        "lower_bound upper_bound alpha max_iter threshold_iter",
        more=lambda layer: {"max_iter": int(layer.gradient_scaler_param.max_iter)},
    ),
]

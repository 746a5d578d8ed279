"""Text and sequences."""

from __future__ import annotations

from caffe_pylayers._nets.forks.dialects import Dialect

ROWS = [
    Dialect("Transpose", "shapes.Permute", "transpose_param", "dim=order"),
    Dialect("Reverse", "shapes.Reverse", "reverse_param", "axis"),
    Dialect(
        "Lstm",
        "recurrent.LSTM",
        "lstm_param",
        "num_output clipping_threshold bias_filler.value=bias",
        ignored="batch_size",
        filler="weight_filler",
    ),
    Dialect(
        "ContinuationIndicator",
        "recurrent.ContinuationIndicator",
        "continuation_indicator_param",
        "time_step batch_size",
    ),
]

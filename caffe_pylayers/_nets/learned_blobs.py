"""The learned blobs of a layer, as far as the prototxt tells: how many, and the rate of each."""

from __future__ import annotations

from typing import Any, Callable

from caffe_pylayers._nets.forks.table import engine_type
from caffe_pylayers._nets.titles import title


def _recurrent(matrices: int, states: int) -> Callable[[Any], int]:
    """Count the parameters of an unrolled net: one more where a static input is among the bottoms."""
    return lambda layer: matrices + (len(layer.bottom) > 2 + states * layer.recurrent_param.expose_hidden)


_COUNTS: dict[str, Callable[[Any], int]] = {
    "BatchNorm": lambda layer: 3,
    "Bias": lambda layer: int(len(layer.bottom) == 1),
    "Convolution": lambda layer: 1 + layer.convolution_param.bias_term,
    "Deconvolution": lambda layer: 1 + layer.convolution_param.bias_term,
    "Embed": lambda layer: 1 + layer.embed_param.bias_term,
    "InnerProduct": lambda layer: 1 + layer.inner_product_param.bias_term,
    "LSTM": _recurrent(3, states=2),
    "PReLU": lambda layer: 1,
    "Parameter": lambda layer: 1,
    "RNN": _recurrent(5, states=1),
    "Scale": lambda layer: (len(layer.bottom) == 1) + layer.scale_param.bias_term,
}
_DROP_STORED = ("LSTM", "RNN")  # Caffe makes these anew, whatever `blobs` says


def lr_mults(layer: Any, learned: int | None = None) -> list[float]:
    """Return the lr_mult of each of a layer's learned blobs.

    learned: how many there are, where that is known; by default it follows from the layer's type
        and parameters, and for a Python layer or a fork's type from its ``param`` blocks.
    Raises ValueError for more ``param`` blocks than blobs.
    """
    given = [float(spec.lr_mult) for spec in layer.param]
    if learned is None:
        stored = 0 if layer.type in _DROP_STORED else len(layer.blobs)
        of_type = _COUNTS.get(engine_type(layer))
        learned = stored or (len(given) if of_type is None else of_type(layer))
    if len(given) > learned:
        raise ValueError(f"{title(layer)}: {len(given)} param blocks for {learned} learned blobs")
    return given + [1.0] * (learned - len(given))

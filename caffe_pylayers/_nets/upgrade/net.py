"""Upgrades of a net beside its layers' format: its inputs, and BatchNorm's rates."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer.quote import quoted

_LEGACY_AXES = 4


def upgrade_input(net: Any) -> None:
    """Turn the fields input, input_shape and input_dim into an Input layer, the first.

    Inputs without any shape are what old caffemodels carry: they are dropped.
    """
    if net.input_shape or net.input_dim:
        layer = type(net)().layer.add(name="input", type="Input", top=net.input)
        layer.input_param.SetInParent()
        for i, blob in enumerate(net.input):
            layer.input_param.shape.add(dim=_dims(net, i, blob))
        net.layer.insert(0, layer)
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)


def _dims(net: Any, i: int, blob: str) -> Any:
    if net.input_shape:
        if i >= len(net.input_shape):
            raise ValueError(f"{len(net.input)} inputs, {len(net.input_shape)} input_shape: {quoted(blob)} has none")
        return net.input_shape[i].dim
    dims = net.input_dim[_LEGACY_AXES * i : _LEGACY_AXES * (i + 1)]
    if len(dims) < _LEGACY_AXES:
        raise ValueError(
            f"{len(net.input)} inputs need {_LEGACY_AXES * len(net.input)} input_dim, {_LEGACY_AXES} each, "
            f"got {len(net.input_dim)}: {quoted(blob)} has {list(dims)}"
        )
    return dims


def upgrade_batch_norm(net: Any) -> None:
    """Set the rates of BatchNorm's statistics to 0: a solver does not learn them. Old nets give three."""
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0

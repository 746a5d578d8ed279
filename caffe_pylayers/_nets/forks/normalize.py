"""What the losses of forks divide by."""

from __future__ import annotations

from typing import Any

NORMALIZATIONS = {"batch_size": "batch"}  # what loss_param's values are called here, where it is by another name


def by_normalize(layer: Any, true: str = "valid") -> dict[str, str]:
    """Return what loss_param's older field normalize asks for, where the newer one is not set.

    true: what it divides by where normalize is true.
    """
    param = layer.loss_param
    if param.HasField("normalization") or not param.HasField("normalize"):
        return {}
    return {"normalization": true if param.normalize else "batch"}

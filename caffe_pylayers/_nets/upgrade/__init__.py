"""Upgrades of old net and solver messages to the current format, as Caffe does with every file it reads.

Formats of a layer: V0, ``layers { layer { type: "conv" } }``, flat; V1, ``layers { type: CONVOLUTION }``;
the current one, ``layer { type: "Convolution" }``. Works on the messages of any caffe.
"""

from __future__ import annotations

import os
from typing import Any

from caffe_pylayers._nets.upgrade import v0, v1
from caffe_pylayers._nets.upgrade.net import upgrade_batch_norm, upgrade_input
from caffe_pylayers._nets.upgrade.solver import upgrade_type

__all__ = ["upgrade_net", "upgrade_solver"]


def upgrade_net(net: Any, name: str | os.PathLike[str]) -> None:
    """Bring a NetParameter to the current format, in place.

    Raises ValueError("NAME: message") where it cannot be. Fields that mean nothing in the V0 format are
    dropped with an error in the log, as in Caffe.
    """
    try:
        if any(layer.HasField("layer") for layer in net.layers):
            v0.upgrade(net, name)
        if net.layers:
            v1.move_transformations(net)
            v1.upgrade(net)
        if net.input:
            upgrade_input(net)
        upgrade_batch_norm(net)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def upgrade_solver(solver: Any, name: str | os.PathLike[str]) -> None:
    """Bring a SolverParameter to the current format, in place, and the nets in it, which Caffe itself leaves alone.

    Raises ValueError("NAME: message") where it cannot be.
    """
    upgrade_type(solver, name)
    for field in ("net_param", "train_net_param"):
        if solver.HasField(field):
            upgrade_net(getattr(solver, field), f"{name}: {field}")
    for net in solver.test_net_param:
        upgrade_net(net, f"{name}: test_net_param")

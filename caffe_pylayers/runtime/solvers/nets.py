"""The nets of a solver: one to train, any number to test."""

from __future__ import annotations

import os
from typing import Any

from caffe_pylayers._layer.quote import plain
from caffe_pylayers._nets import prototxt, solver_rules
from caffe_pylayers._nets.solver_rules import SolverNet
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.process import LOGGER
from caffe_pylayers.runtime.proto import caffe_pb2


def train_net(param: Any) -> Net:
    """Build the train net of a SolverParameter. RuntimeError for a file that is missing."""
    wanted = solver_rules.train_net(param)
    LOGGER.info("Creating training net from %s", _title(wanted))
    return _make(wanted, param)


def test_nets(param: Any) -> list[Net]:
    """Build the test nets of a SolverParameter. RuntimeError for a file that is missing."""
    nets = []
    for i, wanted in enumerate(solver_rules.test_nets(param)):
        LOGGER.info("Creating test net (#%d) specified by %s", i, _title(wanted))
        nets.append(_make(wanted, param))
    return nets


def _make(wanted: SolverNet, param: Any) -> Net:
    """Build a net in its state, with the weights that the solver starts from."""
    net_param = _read(wanted.source) if isinstance(wanted.source, str) else _copy(wanted.source)
    state = wanted.state(net_param)
    net_param.state.CopyFrom(state)
    net = Net(net_param, state.phase, level=state.level, stages=list(state.stage))
    for names in param.weights:
        for name in names.split(","):
            LOGGER.info("Finetuning from %s", name.strip())
            net.copy_from(name.strip())
    return net


def _read(path: str) -> Any:
    if not os.path.exists(path):
        raise RuntimeError(f"Could not open file {plain(path)}, the net of a solver")
    return prototxt.read_net(path, caffe_pb2)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _title(wanted: SolverNet) -> str:
    return f"{wanted.field} file: {wanted.source}" if isinstance(wanted.source, str) else wanted.field

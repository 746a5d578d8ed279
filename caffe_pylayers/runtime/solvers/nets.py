"""The nets of a solver: one to train, any number to test."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from caffe_pylayers._layer.quote import plain
from caffe_pylayers._nets import prototxt, solver_rules
from caffe_pylayers._nets.forks import evaluation
from caffe_pylayers._nets.solver_rules import SolverNet
from caffe_pylayers._nets.stored import AskBlobs, of_all
from caffe_pylayers._nets.titles import naming
from caffe_pylayers.runtime.files.weights import Source
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.process import log_once
from caffe_pylayers.runtime.proto import caffe_pb2

T = TypeVar("T")


def train_net(param: Any, name: str) -> Net:
    """Build the train net of a SolverParameter that messages call ``name``. RuntimeError for a file that is missing."""
    wanted = solver_rules.train_net(param)
    log_once(f"Creating training net from {_title(wanted)}")
    return _make(wanted, param, name)


def test_nets(param: Any, name: str) -> list[Net]:
    """Build the test nets of a SolverParameter, as train_net does."""
    nets = []
    for i, wanted in enumerate(solver_rules.test_nets(param)):
        log_once(f"Creating test net (#{i}) specified by {_title(wanted)}")
        nets.append(_make(wanted, param, name))
    return nets


def _make(wanted: SolverNet, param: Any, name: str) -> Net:
    """Build a net in its state, with the solver's weights, which tell types that forks spell alike."""
    weights = [Source(path) for path in solver_rules.weight_files(param)]
    file = wanted.source if isinstance(wanted.source, str) else None
    blobs = of_all([functools.partial(_asked, source, name, Source.blobs) for source in weights])
    net_param = _copy(wanted.source) if file is None else _read(file, name, blobs)
    precision = evaluation.ap_version(param, caffe_pb2) if wanted.phase == caffe_pb2.TEST else ""
    if precision:
        evaluation.measure(net_param, precision)
    state = wanted.state(net_param)
    net_param.state.CopyFrom(state)
    with naming(file):
        net = Net(net_param, state.phase, level=state.level, stages=list(state.stage))
    for source in weights:
        log_once(f"Finetuning from {source.path}")
        _asked(source, name, lambda asked: asked.copy_to(net))
    return net


def _asked(source: Source, name: str, ask: Callable[[Source], T]) -> T:
    """Return what a file of weights is asked for; RuntimeError for one that is missing or cannot be read."""
    refused = f"Could not open file {plain(str(source.path))}, weights of {name}"
    if not os.path.exists(source.path):
        raise RuntimeError(refused)
    try:
        return ask(source)
    except OSError as error:
        raise RuntimeError(f"{refused}: {error.strerror}") from error


def _read(path: str, name: str, blobs: AskBlobs | None) -> Any:
    if not os.path.exists(path):
        raise RuntimeError(f"Could not open file {plain(path)}, the net of {name}")
    return prototxt.read_net(path, caffe_pb2, blobs)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _title(wanted: SolverNet) -> str:
    return f"{wanted.field} file: {wanted.source}" if isinstance(wanted.source, str) else wanted.field

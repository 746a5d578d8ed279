"""The nets that a SolverParameter asks for: one to train, any number to test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from caffe_pylayers.runtime.files import prototxt
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.process import LOGGER
from caffe_pylayers.runtime.proto import caffe_pb2

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")
Error = Callable[[str], ValueError]


def train_net(param: Any, error: Error) -> Net:
    """The train net; raises the error unless exactly one field gives it."""
    given = [name for name in TRAIN_FIELDS if param.HasField(name)]
    if len(given) != 1:
        raise error(
            f"a solver names its train net by exactly one of {', '.join(TRAIN_FIELDS)}; "
            f"this one has {' and '.join(given) or 'none'}"
        )
    source = getattr(param, given[0])
    LOGGER.info("Creating training net from %s", _title(given[0], source))
    return _make(source, caffe_pb2.TRAIN, [param.train_state], param.weights)


def test_nets(param: Any, error: Error) -> list[Net]:
    """The test nets: of test_net_param, of test_net, and of the generic net for what is left of test_iter.

    Raises the error unless test_iter, test_state and test_interval fit them.
    """
    generic = [name for name in ("net_param", "net") if param.HasField(name)]
    own = len(param.test_net_param) + len(param.test_net)
    count = len(param.test_iter)
    if count < own or (count > own and not generic):
        raise error(f"test_iter must be given for each test net: {own} test nets, {count} test_iter")
    if param.test_state and len(param.test_state) != count:
        raise error(
            f"test_state must be given for each test net or for none: {count} test nets, {len(param.test_state)} given"
        )
    if count and param.test_interval <= 0:
        raise error(f"test_interval must be positive where there are test nets, got {param.test_interval}")
    sources = [("test_net_param", source) for source in param.test_net_param]
    sources += [("test_net", source) for source in param.test_net]
    sources += [(name, getattr(param, name)) for name in generic] * (count - own)
    nets = []
    for i, (name, source) in enumerate(sources):
        LOGGER.info("Creating test net (#%d) specified by %s", i, _title(name, source))
        nets.append(_make(source, caffe_pb2.TEST, param.test_state[i : i + 1], param.weights))
    return nets


def _make(source: Any, phase: int, states: Iterable[Any], weights: Iterable[str]) -> Net:
    """A net in the phase, then in the state of its own file, then in those of the solver: the last one wins."""
    net_param = caffe_pb2.NetParameter()
    net_param.CopyFrom(_read(source) if isinstance(source, str) else source)
    state = caffe_pb2.NetState(phase=phase)
    state.MergeFrom(net_param.state)
    for other in states:
        state.MergeFrom(other)
    net_param.state.CopyFrom(state)
    net = Net(net_param, state.phase, level=state.level, stages=list(state.stage))
    for names in weights:
        for name in names.split(","):
            LOGGER.info("Finetuning from %s", name.strip())
            net.copy_from(name.strip())
    return net


def _read(path: str) -> Any:
    if not os.path.exists(path):
        raise RuntimeError(f"Could not open file {path}, the net of a solver")
    return prototxt.read_net(path)


def _title(field: str, source: Any) -> str:
    return f"{field} file: {source}" if isinstance(source, str) else field

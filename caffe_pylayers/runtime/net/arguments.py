"""The arguments of Net, in the forms that pycaffe takes them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from caffe_pylayers._nets import prototxt, upgrade
from caffe_pylayers._nets.forks import lowering
from caffe_pylayers._nets.include_rules import State
from caffe_pylayers._nets.stored import Blobs
from caffe_pylayers.runtime.files.paths import path_of
from caffe_pylayers.runtime.files.weights import Source
from caffe_pylayers.runtime.proto import caffe_pb2
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST, TRAIN

FORMS = "Net(network_file, phase, level=0, stages=None, weights=None)"


class Arguments(NamedTuple):
    """The parsed arguments of a net.

    param: a NetParameter of its own. file: the path it was read from, or None. weights: a caffemodel, or None.
    """

    param: Any
    file: str | None
    state: State
    weights: Source | None


def read(
    network: Any, phase: Any, rest: Sequence[Any], level: Any, stages: Any, weights: Any, stacklevel: int
) -> Arguments:
    """Check the arguments of ``Net(network, phase, *rest, level=, stages=, weights=)`` and read the network's file.

    Net(network, weights, phase), which pycaffe still takes, gives a DeprecationWarning at ``stacklevel``. Raises
    TypeError for arguments of other kinds and for a missing phase, ValueError for a phase that is neither TRAIN nor
    TEST and for weights that are none, RuntimeError for a file that is missing.
    """
    if path_of(phase) is not None:
        weights, phase, rest = phase, rest[0] if rest else None, rest[1:]
        if phase is not None:
            message = "Net(file, weights, phase) is deprecated: Net(file, phase, weights=...)"
            warnings.warn(message, DeprecationWarning, stacklevel)
    if phase is None:
        raise TypeError("Net needs a phase, caffe.TRAIN or caffe.TEST")
    if len(rest) > 3:
        raise TypeError(f"{FORMS} got {len(rest) + 2} arguments")
    values = [level, stages, weights]
    values[: len(rest)] = rest
    state, source = _state(phase, *values[:2]), _weights(values[2])
    param = _network(network, source)
    if source is not None:
        _blobs(source)  # so that a bad file is refused before the net is made
    return Arguments(param, path_of(network), state, source)


def _network(network: Any, weights: Source | None) -> Any:
    path = path_of(network)
    if path is not None:
        if not os.path.exists(path):
            raise RuntimeError(f"Could not open file {path}")
        return prototxt.read_net(path, caffe_pb2, None if weights is None else lambda: _blobs(weights))
    if not hasattr(network, "CopyFrom"):
        raise TypeError(f"Net takes the path of a prototxt, or a NetParameter, got {network!r}")
    copy = type(network)()
    copy.CopyFrom(network)
    upgrade.upgrade_net(copy, "NetParameter")
    if not isinstance(copy, caffe_pb2.NetParameter):  # another caffe's
        return copy
    return lowering.lower(copy, caffe_pb2, "NetParameter", None if weights is None else lambda: _blobs(weights))


def _state(phase: Any, level: Any, stages: Any) -> State:
    number = _integer("phase", phase, "caffe.TRAIN or caffe.TEST")
    if number not in (TRAIN, TEST):
        raise ValueError(f"phase must be caffe.TRAIN or caffe.TEST, got {phase}")
    given = "an integer; weights are given by name: weights=..." if path_of(level) else "an integer"
    names = [] if stages is None else list(stages)
    for stage in names:
        if not isinstance(stage, str):
            raise TypeError(f"stages must be a list of names, got {stages!r}")
    return State(number, _integer("level", level, given), tuple(names))


def _integer(name: str, value: Any, wanted: str) -> int:
    if not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be {wanted}, got {value!r}")
    return int(value)


def _weights(weights: Any) -> Source | None:
    path = path_of(weights)
    if path is None and weights is not None:
        raise TypeError(f"weights must be the path of a caffemodel, got {weights!r}")
    return None if path is None else Source(path)


def _blobs(source: Source) -> dict[str, Blobs]:
    try:
        return source.blobs()
    except OSError as error:
        raise RuntimeError(f"Could not open file {os.fspath(source.path)}: {error.strerror}") from error

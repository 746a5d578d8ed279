"""The rules of a SolverParameter: its nets and their states, its history, and the values that Caffe refuses."""

from __future__ import annotations

import difflib
import math
import os
from dataclasses import dataclass
from typing import Any, Iterator

from caffe_pylayers._layer.phases import TEST, TRAIN
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets import lr_policy

# By solver type: how many blobs its rule keeps for each learned blob.
HISTORIES = {"SGD": 1, "Nesterov": 1, "AdaGrad": 1, "RMSProp": 1, "AdaDelta": 2, "Adam": 2}

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")
_NUMBERS = ("base_lr", "gamma", "power", "momentum", "momentum2", "weight_decay", "delta", "rms_decay")


# --- nets ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SolverNet:
    """A net of a solver.

    field: of the SolverParameter that gives it, ``net`` or ``test_net_param`` say.
    source: what stands there, a file's name or a NetParameter.
    phase: TRAIN or TEST.
    states: the NetStates that the solver puts it in; a later one counts more, all count more than the net's own.
    """

    field: str
    source: Any
    phase: int
    states: tuple[Any, ...]

    def state(self, net: Any) -> Any:
        """Return the NetState that the net is built in. net: the NetParameter that ``source`` is or names."""
        state = type(net.state)(phase=self.phase)
        for other in (net.state, *self.states):
            state.MergeFrom(other)
        return state


def train_net(param: Any) -> SolverNet:
    """Return the train net of a SolverParameter that has no ``net_problems``."""
    (field,) = _train_fields(param)
    return SolverNet(field, getattr(param, field), TRAIN, (param.train_state,))


def weight_files(param: Any) -> list[str]:
    """Return the files of weights that a SolverParameter names, in order; none where this caffe has no such field."""
    return [path.strip() for names in getattr(param, "weights", ()) for path in names.split(",")]


def test_nets(param: Any) -> list[SolverNet]:
    """Return the test nets in Caffe's order: test_net_param, test_net, and the generic net for each test_iter left.

    The SolverParameter has no ``net_problems``.
    """
    sources = [(field, source) for field in ("test_net_param", "test_net") for source in getattr(param, field)]
    generic = [(field, getattr(param, field)) for field in ("net_param", "net") if param.HasField(field)]
    sources += generic * (len(param.test_iter) - len(sources))
    return [
        SolverNet(field, source, TEST, tuple(param.test_state[i : i + 1])) for i, (field, source) in enumerate(sources)
    ]


def net_problems(param: Any) -> Iterator[str]:
    """List what Caffe refuses in the fields that give a solver its nets, a line for each."""
    given = _train_fields(param)
    if len(given) != 1:
        yield f"needs one of {', '.join(TRAIN_FIELDS)}; has {' and '.join(given) or 'none'}"
    tests, passes = len(param.test_net) + len(param.test_net_param), len(param.test_iter)
    if passes < tests or (passes > tests and not {"net", "net_param"}.intersection(given)):
        yield f"needs a test_iter for each test net: has {passes} for {tests}"
    if param.test_state and len(param.test_state) != passes:
        yield f"needs a test_state for each test_iter, or none: has {len(param.test_state)} for {passes}"
    if passes and param.test_interval <= 0:
        yield f"has a test_iter, so it needs a test_interval above 0; is {param.test_interval}"


def _train_fields(param: Any) -> list[str]:
    return [field for field in TRAIN_FIELDS if param.HasField(field)]


# --- updates ---------------------------------------------------------------------------------------


def update_problems(param: Any, kind: str) -> Iterator[str]:
    """List what a solver of type ``kind`` refuses in the fields that its updates depend on, a line for each.

    It refuses what Caffe refuses, and what gives NaN from the start. The learning rate policy's fields
    are for ``lr_policy.problems``, the decay's for ``decay_problems``: Caffe looks at these when it uses them.
    """
    for name in _NUMBERS:
        if not math.isfinite(getattr(param, name)):
            yield f"{name} must be a finite number; is {getattr(param, name)}"
    if kind in ("AdaGrad", "RMSProp") and param.momentum != 0:
        yield f"{kind} takes no momentum; drop it (is {param.momentum:g})"
    if kind == "RMSProp" and not 0 <= param.rms_decay < 1:
        yield f"rms_decay must be in [0, 1); is {param.rms_decay:g}"
    if kind == "AdaDelta" and not 0 <= param.momentum <= 1:
        yield f"momentum must be in [0, 1] with AdaDelta, which takes roots of averages by it; is {param.momentum:g}"
    if kind == "AdaDelta" and param.delta < 0:
        yield f"delta must be at least 0 with AdaDelta, which takes roots of sums with it; is {param.delta:g}"
    if kind == "Adam" and abs(param.momentum) == 1:
        yield f"momentum must not be {param.momentum:g} with Adam, which divides by 1 - momentum^t"
    if kind == "Adam" and not 0 <= param.momentum2 <= 1:
        yield f"momentum2 must be in [0, 1] with Adam, which takes roots of 1 - momentum2^t; is {param.momentum2:g}"
    for name in ("average_loss", "iter_size"):
        if getattr(param, name) < 1:
            yield f"{name} must be at least 1; is {getattr(param, name)}"


def decay_problems(param: Any) -> Iterator[str]:
    """List what Caffe refuses in the weight decay, where it is not 0."""
    if param.regularization_type not in ("L1", "L2"):
        yield f"regularization_type must be L1 or L2; is {quoted(param.regularization_type)}"


def type_problems(param: Any) -> Iterator[str]:
    """List a solver type that Caffe does not have. A solver made from its class ignores the field."""
    if param.type not in HISTORIES:
        close = difflib.get_close_matches(param.type, HISTORIES, n=1)
        meant = f' (did you mean "{close[0]}"?)' if close else ""
        yield f"type must be one of {', '.join(HISTORIES)}; is {quoted(param.type)}{meant}"


def problems(param: Any) -> list[str]:
    """List all that is refused in a SolverParameter of the current format, a line for each."""
    return [
        *net_problems(param),
        *lr_policy.problems(param),
        *type_problems(param),
        *update_problems(param, param.type),
        *decay_problems(param),
    ]


# --- snapshots -------------------------------------------------------------------------------------


def snapshot_prefix(param: Any, path: str | os.PathLike[str]) -> str:
    """Return what the names of snapshots start with, as Caffe completes it. path: the solver's file.

    Without a snapshot_prefix they go beside that file, under its name; where it is a folder, into
    it. The name of a folder is looked for from the working directory.
    """
    base = os.fspath(path)
    folder, file = base[: -len(os.path.basename(base))], os.path.basename(base)
    stem = file[: file.rfind(".")] if "." in file else file
    if not param.HasField("snapshot_prefix"):
        return folder + stem
    prefix: str = param.snapshot_prefix
    return os.path.join(prefix, stem) if os.path.isdir(prefix) or prefix.endswith("/") else prefix

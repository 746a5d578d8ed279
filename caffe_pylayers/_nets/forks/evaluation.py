"""SSD's solvers with ``eval_type: "detection"``: a test is the mean average precision of all its detections.

Their fields stay in the SolverParameter, as fields that Caffe does not know.
"""

from __future__ import annotations

import json
from typing import Any

from caffe_pylayers._nets.forks.messages import message_class
from caffe_pylayers._nets.forks.table import in_python

FIELDS = ("eval_type", "ap_version", "show_per_class_result")


def ap_version(solver: Any, messages: Any) -> str:
    """Return how a lowered SolverParameter wants the precision averaged; "" for one that tests as Caffe does."""
    param = as_of_fork(solver, messages)
    return (param.ap_version or "Integral") if param.eval_type == "detection" else ""


def as_of_fork(solver: Any, messages: Any) -> Any:
    """Return a SolverParameter in messages that have the forks' fields."""
    return message_class(messages, "SolverParameter").FromString(solver.SerializeToString())


def unknown(solver: Any, name: str) -> bool:
    """Return True for one of FIELDS with a value that nothing here does."""
    return name == "eval_type" and solver.eval_type not in ("classification", "detection")


def kept(solver: Any) -> bytes:
    """Return the fields of a fork's SolverParameter that stay, as a message of their own."""
    only = type(solver)()
    for name in FIELDS:
        if solver.HasField(name):
            setattr(only, name, getattr(solver, name))
    content: bytes = only.SerializeToString()
    return content


def measure(net: Any, version: str) -> None:
    """Have DetectionEvaluate in a lowered NetParameter give the mAP of a whole pass, in place of rows to make it of."""
    for layer in net.layer:
        if in_python(layer) and layer.type == "DetectionEvaluate":
            parameters = json.loads(layer.python_param.param_str)
            layer.python_param.param_str = json.dumps({**parameters, "ap_version": version})

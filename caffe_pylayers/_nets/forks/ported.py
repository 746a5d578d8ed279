"""Nets of forks as files for a stock Caffe with this package."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.backward_plan import loss_weights
from caffe_pylayers._nets.forks import wording
from caffe_pylayers._nets.forks.lowering import Lowered
from caffe_pylayers._nets.forks.names import fork_of_type
from caffe_pylayers._nets.forks.table import engine_type, in_python, is_done
from caffe_pylayers._nets.python_param import python_param_problems
from caffe_pylayers._nets.titles import title


def faults(found: Lowered, nets: Any) -> list[str]:
    """Return what of a fork's file has no equal here: fields, and layers of these NetParameters, or their values."""
    of_layers = [(title(layer), fault) for net in nets for layer in net.layer for fault in _faults_of_layer(layer)]
    told = {fault.partition(": ")[0] for fault in found.faults}
    return found.faults + [f"{layer}: {fault}" for layer, fault in of_layers if layer not in told]


def _faults_of_layer(layer: Any) -> list[str]:
    if in_python(layer) and layer.type != "Python":
        return [wording.of_fork(layer, problem) for problem in python_param_problems(layer.python_param, "")]
    fork = fork_of_type(layer.type)
    return [f"a type of {fork}, which nothing here does"] if fork and not is_done(layer) else []


def net_text(found: Lowered) -> str:
    """Return a net as a text, its layers of forks' types as Caffe's, with a comment for each field left out."""
    whole = type(found.message)()
    whole.CopyFrom(found.message)
    whole.ClearField("layer")
    parts = [_comments(found, ""), str(whole)]
    for layer in found.message.layer:
        _make_stock(layer)
        engines = "".join(f"# left out: {place}\n" for place in _clear_engines(layer))
        inside = "".join(f"  {line}\n" for line in str(layer).splitlines())
        parts += [_comments(found, layer.name), engines, f"layer {{\n{inside}}}\n"]
    return "".join(parts)


def solver_text(found: Lowered) -> str:
    """Return a solver, and the nets in it, as a text."""
    solver = found.message
    for net in (solver.net_param, solver.train_net_param, *solver.test_net_param):
        for layer in net.layer:
            _make_stock(layer)
    return "".join(f"# left out: {place}\n" for _, place in found.left_out) + str(solver)


def weights(model: Any) -> bytes:
    """Return a caffemodel of the layers' names, types and blobs alone: the rest is the fork's, or in the net.

    model: the NetParameter of the fork's, in the current format.
    """
    ported = type(model)(name=model.name)
    for layer in model.layer:
        written = ported.layer.add(name=layer.name, type=layer.type)
        written.blobs.extend(layer.blobs)
    written_as: bytes = ported.SerializeToString()
    return written_as


def _make_stock(layer: Any) -> None:
    if in_python(layer) and not layer.loss_weight:  # a type that ends in Loss has one by default, Python has not
        layer.loss_weight.extend(loss_weights(layer))
    layer.type = engine_type(layer)


def _clear_engines(layer: Any) -> list[str]:
    """Leave it to Caffe which engine computes a layer: one built without cuDNN ends the process over engine: CUDNN."""
    cleared = []
    for field, value in layer.ListFields():
        inner = field.message_type.fields_by_name if field.message_type and field.name.endswith("_param") else ()
        if "engine" in inner and value.HasField("engine"):
            value.ClearField("engine")
            cleared.append(f"{field.name}.engine")
    return cleared


def _comments(found: Lowered, name: str) -> str:
    return "".join(f"# left out: {place}\n" for layer, place in found.left_out if layer == name)

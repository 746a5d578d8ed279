"""What makes a run of a net fail before its first iteration, found without building the net."""

from __future__ import annotations

import difflib
import errno
import os
from pathlib import Path
from typing import Any, Collection, Iterable, Iterator

from caffe_pylayers import _engine
from caffe_pylayers._layer.phases import PHASES, TRAIN
from caffe_pylayers._nets.backward_plan import backward_plan, loss_weights
from caffe_pylayers._nets.include_rules import State, included_layers, title
from caffe_pylayers._nets.python_param import python_param_problems


def problems(
    net: Any,
    path: str | os.PathLike[str],
    phases: Iterable[int] = tuple(PHASES.values()),
    level: int = 0,
    stages: Collection[str] = (),
) -> list[str]:
    """What makes Caffe fail on this net, each as ``PATH: layer "x" (Type): what is wrong``.

    net: a NetParameter.
    path: the file it came from, whose neighbourhood is searched for modules that are not found.
    Looks at the wiring, the layer types, the Python layers (whose modules it imports) and the
    files that data layers read. A net in an old format, ``layers { }``, has nothing to look at.
    """
    found: dict[str, None] = {}  # in order, and once for both phases
    for phase in phases:
        state = State(phase, level, stages)
        messages = wiring_problems(net, state) + unknown_types(net, state)
        messages += python_layer_problems(net, state, path) + missing_sources(net, state)
        found.update((f"{path}: {message}", None) for message in messages)
    return list(found)


def wiring_problems(net: Any, state: State) -> list[str]:
    """The first blob that does not connect, or count that does not fit; Caffe stops there as well."""
    try:
        backward_plan(net, state)
    except ValueError as error:
        return [str(error)]
    return []


def unknown_types(net: Any, state: State) -> list[str]:
    """Layers whose type this caffe does not have."""
    known = list(_engine.caffe().layer_type_list())
    return [
        f"{title(layer)}: unknown layer type{_meant(layer.type, known)}"
        for layer in _layers(net, state)
        if layer.type not in known
    ]


def _meant(kind: str, known: list[str]) -> str:
    if kind == "Python":
        return "; this caffe was built without Python layers, see `caffe-pylayers check`"
    lower = {name.lower(): name for name in known}
    close = [lower[name] for name in difflib.get_close_matches(kind.lower(), lower)]
    return f"; did you mean {' or '.join(close)}?" if close else f"; this caffe has {', '.join(known)}"


def python_layer_problems(net: Any, state: State, path: str | os.PathLike[str]) -> list[str]:
    """Python layers whose module, class or param_str is wrong. Imports the modules, so it runs their code."""
    asked = _asked(net, state)
    return [
        f"{title(layer)}: {message}"
        for layer in _layers(net, state)
        if layer.type == "Python"
        for message in python_param_problems(layer.python_param, path, asked.get(layer.name, ""))
    ]


def _asked(net: Any, state: State) -> dict[str, str]:
    """Why Caffe calls backward, by the name of each layer it calls it of; a test net has no such layer."""
    if state.phase != TRAIN:
        return {}
    try:
        plans = backward_plan(net, state)
    except ValueError:  # the wiring's problem, which is reported there
        return {}
    return {plan.layer.name: plan.backward.why for plan in plans if plan.backward}


def losses_without_effect(net: Any, state: State) -> list[str]:
    """Layers of a training net that are, or look like, a loss and train nothing."""
    if state.phase != TRAIN:
        return []
    plans = backward_plan(net, state)
    read = {blob for plan in plans for blob in plan.bottoms}
    found = []
    for plan in plans:
        layer = plan.layer
        if any(loss_weights(layer)) and not plan.backward and layer.type != "Split":
            found.append(f"{title(layer)}: a loss that trains nothing: {plan.backward.why}")
        elif _looks_like_a_loss(layer) and read.isdisjoint(layer.top):
            tops = ", ".join(f'"{top}"' for top in layer.top)
            found.append(
                f"{title(layer)}: trains nothing, as it has no loss_weight and no layer reads its top {tops}; "
                "a Python layer is a loss only with loss_weight: 1 (a metric says loss_weight: 0)"
            )
    return found


def _looks_like_a_loss(layer: Any) -> bool:
    """A Python layer that says nothing of its loss weight; one that says 0 means it."""
    return bool(layer.type == "Python" and layer.bottom and layer.top and not layer.loss_weight)


def missing_sources(net: Any, state: State) -> list[str]:
    """The files and databases that the layers of one phase read, and that do not exist or cannot be read."""
    return [
        f'{title(layer)}: {field} "{name}" {problem}'
        for layer in _layers(net, state)
        for field, name in _sources(layer)
        for problem in _unreadable(name)
    ]


def _unreadable(name: str) -> Iterator[str]:
    if not os.path.exists(name):
        yield f"does not exist; Caffe looks for it from the working directory, {os.getcwd()}"
    elif not os.access(name, os.R_OK | os.X_OK if os.path.isdir(name) else os.R_OK):
        yield f"cannot be read: {os.strerror(errno.EACCES)}"


_SOURCES = {
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "InfogainLoss": "infogain_loss_param",
    "WindowData": "window_data_param",
}


def _sources(layer: Any) -> Iterator[tuple[str, str]]:
    """The (field, path) pairs that a layer opens when it is set up."""
    field = _SOURCES.get(layer.type)
    if field and getattr(layer, field).source:
        source = getattr(layer, field).source
        yield f"{field}.source", source
        if layer.type == "Data" and os.access(source, os.X_OK) and os.path.isdir(source):
            lmdb = layer.data_param.backend == layer.data_param.LMDB
            yield f"{field}.source", os.path.join(source, "data.mdb" if lmdb else "CURRENT")
        if layer.type == "HDF5Data" and os.access(source, os.R_OK) and os.path.isfile(source):
            for name in Path(source).read_text(encoding="utf-8").split():
                yield f"{field}.source {source} lists", name
    if layer.type in ("Data", "ImageData", "MemoryData", "WindowData") and layer.transform_param.mean_file:
        yield "transform_param.mean_file", layer.transform_param.mean_file


def _layers(net: Any, state: State) -> list[Any]:
    """The layers of one phase; none where the rules themselves are wrong, which wiring_problems reports."""
    try:
        return included_layers(net, state)
    except ValueError:
        return []

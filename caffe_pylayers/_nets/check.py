"""Checks of a net that need no building: its wiring, layer types, Python layers, sources and losses."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Any, Collection, Iterable, Iterator

from caffe_pylayers import _engine
from caffe_pylayers._layer.close_names import close_names
from caffe_pylayers._layer.phases import PHASES, TRAIN
from caffe_pylayers._layer.quote import plain, quoted
from caffe_pylayers._nets import sources
from caffe_pylayers._nets.backward_plan import backward_plan, loss_weights, wiring_faults
from caffe_pylayers._nets.forks import wording
from caffe_pylayers._nets.forks.names import fork_of_type
from caffe_pylayers._nets.forks.table import KINDS, engine_type, in_python, is_done
from caffe_pylayers._nets.forks.unknown import types_by_fork
from caffe_pylayers._nets.include_rules import State, included_layers
from caffe_pylayers._nets.python_param import python_param_problems
from caffe_pylayers._nets.titles import title


def problems(
    net: Any,
    path: str | os.PathLike[str],
    phases: Iterable[int] = tuple(PHASES.values()),
    level: int = 0,
    stages: Collection[str] = (),
) -> list[str]:
    """Return why Caffe would fail to build this net, each reason as ``PATH: layer "x" (Type): what is wrong``.

    net: a NetParameter in the current format.
    path: the file it came from, whose neighbourhood is searched for modules that are not found.
    Looks at the wiring, the layer types, the Python layers (whose modules it imports) and the
    files that data layers read; not at shapes, which only building tells.
    """
    found: dict[str, None] = {}  # in order, and once for both phases
    for phase in phases:
        state = State(phase, level, stages)
        messages = wiring_faults(net, state) + unknown_types(net, state)
        messages += python_layer_problems(net, state, path) + missing_sources(net, state) + wrong_sources(net, state)
        found.update((f"{path}: {message}", None) for message in messages)
    return list(found)


def unknown_types(net: Any, state: State) -> list[str]:
    """Return a message for each layer of a type that this caffe does not have; of forks' types, one for each fork."""
    runtime = _engine.on_runtime()
    known = list(_engine.caffe().layer_type_list())
    usable = sorted({*known, *KINDS}) if runtime else known
    layers = [
        layer
        for layer in _layers(net, state)
        if layer.type not in known and not (runtime and engine_type(layer) in known)
    ]
    own = [
        f"{title(layer)}: unknown layer type{_meant(layer, usable)}"
        if layer.type
        else f"{title(layer)}: layer[{list(net.layer).index(layer)}] of the net has no type"
        for layer in layers
        if not fork_of_type(layer.type)
    ]
    ported = "; caffe-pylayers port writes the net for this caffe" if any(map(is_done, layers)) else ""
    return own + [f"unknown layer types of {of_fork}{ported}" for of_fork in types_by_fork(layers)]


def _meant(layer: Any, known: list[str]) -> str:
    if layer.type == "Python":
        return "; this caffe was built without Python layers, see `caffe-pylayers check`"
    close = close_names(layer.type, known, 3)
    return f"; did you mean {' or '.join(close)}?" if close else f"; this caffe has {', '.join(known)}"


def python_layer_problems(net: Any, state: State, path: str | os.PathLike[str]) -> list[str]:
    """Return messages on the modules, classes and param_strs of Python layers; imports the modules."""
    asked = _asked(net, state)
    return [
        f"{title(layer)}: {message if layer.type == 'Python' else wording.of_fork(layer, message)}"
        for layer in _layers(net, state)
        if in_python(layer)
        for message in python_param_problems(layer.python_param, path, asked.get(layer.name, ""))
    ]


def _asked(net: Any, state: State) -> dict[str, str]:
    """Return why Caffe calls a layer's backward, by layer; a layer that is not asked is missing, as all are in TEST."""
    if state.phase != TRAIN:
        return {}
    try:
        plans = backward_plan(net, state)
    except ValueError:  # the wiring's fault, which is reported there
        return {}
    return {plan.layer.name: plan.backward.why for plan in plans if plan.backward}


def losses_without_effect(net: Any, state: State) -> list[str]:
    """Return a message for each layer of a training net that is, or looks like, a loss and trains nothing."""
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
            tops = ", ".join(map(quoted, layer.top))
            found.append(
                f"{title(layer)}: trains nothing, as it has no loss_weight and no layer reads its top {tops}; "
                "a Python layer is a loss only with loss_weight: 1 (a metric says loss_weight: 0)"
            )
    return found


def _looks_like_a_loss(layer: Any) -> bool:
    """Return True for a Python layer that says nothing of its loss weight; one that says 0 means it."""
    return bool(in_python(layer) and layer.bottom and layer.top and not layer.loss_weight)


def missing_sources(net: Any, state: State) -> list[str]:
    """Return a message for each file or database that a layer reads and that does not exist or cannot be read."""
    return [
        f"{title(layer)}: {field} {quoted(name)} {problem}"
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
    """Yield the (field, path) pairs that a layer opens when it is set up."""
    field = _SOURCES.get(layer.type)
    if field and getattr(layer, field).source:
        source = getattr(layer, field).source
        yield f"{field}.source", source
        if layer.type == "HDF5Data":
            with contextlib.suppress(ValueError):  # no list, which wrong_sources reports, or none that can be read
                yield from ((f"{field}.source {plain(source)} lists", name) for name in sources.hdf5_files(source))
    if layer.type in ("Data", "ImageData", "MemoryData", "WindowData") and layer.transform_param.mean_file:
        yield "transform_param.mean_file", layer.transform_param.mean_file


def wrong_sources(net: Any, state: State) -> list[str]:
    """Return a message for each source that is there and is not what its layer reads: see sources."""
    found = []
    for layer in _layers(net, state):
        source = getattr(layer, _SOURCES[layer.type]).source if layer.type in _SOURCES else ""
        if source and not any(_unreadable(source)):
            try:
                _check_source(layer, source)
            except ValueError as error:
                found.append(f"{title(layer)}: {error}")
    return found


def _check_source(layer: Any, source: str) -> None:
    if layer.type == "Data":
        param = layer.data_param
        sources.check_database(source, "LMDB" if param.backend == param.LMDB else "LEVELDB")
    elif layer.type == "HDF5Data":
        sources.hdf5_files(source)
    elif layer.type == "ImageData":
        sources.image_lines(source, layer.image_data_param.root_folder)
    elif layer.type == "WindowData":
        sources.window_words(source)


def _layers(net: Any, state: State) -> list[Any]:
    """Return the layers in one state; none where the rules themselves are wrong, which wiring_faults reports."""
    try:
        return included_layers(net, state)
    except ValueError:
        return []

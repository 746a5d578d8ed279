"""Building a net to see which of its layers the engine refuses."""

from __future__ import annotations

import faulthandler
import json
import os
import re
import signal
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Collection, NoReturn

from caffe_pylayers import _engine
from caffe_pylayers._compat.advice import WHAT_HELPS, advice
from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.forks.table import in_python
from caffe_pylayers._nets.include_rules import State, included_layers
from caffe_pylayers._nets.python_param import reshapes_late
from caffe_pylayers._nets.titles import title
from caffe_pylayers.cli._errors import line_of, place_of, raised_here


@dataclass
class Trial:
    """Messages on the layers that are refused, and the names of the layers that were not tried, as they need those."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)


@dataclass
class Built:
    """The outcome of building a net.

    refused, reason: the name of the layer that was refused, and why; empty where all were built.
    unshaped: the tops that were built without a shape.
    """

    refused: str = ""
    reason: str = ""
    unshaped: list[str] = field(default_factory=list)


def trial(net: Any, state: State, known: Collection[str]) -> Trial:
    """Build a NetParameter in one state, and again without each layer that is refused.

    known: messages about layers, which are left out from the start, with those that depend on them.
    Sets layers up, so it runs the code of Python layers and opens data. On the runtime nothing gets values or memory;
    real Caffe, which ends the process over what it refuses, builds in forks of this one.
    """
    build = _on_the_runtime if _engine.on_runtime() else _on_caffe
    untried: list[str] = []
    refused: list[tuple[Any, str]] = []
    layers = included_layers(net, state)
    # Caffe's HDF5Output empties its file as soon as it is set up.
    out = [layer for layer in layers if _known(layer, known) or layer.type == "HDF5Output"]
    while True:
        layers, dependent = _without(layers, out)
        untried += [layer.name for layer in dependent]
        built = build(_net_of(net, layers), state)
        out = [layer for layer in layers if layer.name == built.refused][:1]
        refused += [(layer, built.reason) for layer in out]
        if not out:
            break
    problems = [built.reason] if built.reason else []
    # What refuses a blob without a shape is not at fault.
    problems += [f"{title(layer)}: {reason}" for layer, reason in refused if not set(layer.bottom) & {*built.unshaped}]
    found = Trial(problems, [], untried)
    for layer in layers:
        for i, top in enumerate(layer.top):
            if in_python(layer) and top in built.unshaped:
                _tell_unshaped(found, layer, i, [reader.name for reader, _ in refused if top in reader.bottom])
    return found


def refusal(net: Any, state: State) -> str:
    """Return why real Caffe would end the process as it builds a NetParameter, ``layer "x" (Type): reason``, else "".

    It is built in a fork, and then again by the caller; where it raises, as the runtime always does, "".
    """
    if _engine.on_runtime() or _forked(net, state)[0] >= 0:
        return ""
    built = _on_caffe(_net_of(net, included_layers(net, state)), state)
    layer = next((title(layer) for layer in net.layer if layer.name == built.refused), "")
    return f"{layer}: {built.reason}"


def _known(layer: Any, messages: Collection[str]) -> bool:
    return any(message.startswith(f"{title(layer)}: ") for message in messages)


def _without(layers: list[Any], out: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the layers that need none of those left out, and the layers that need some."""
    kept, dependent = [], []
    missing: set[str] = set()
    for layer in layers:
        if any(layer is other for other in out):
            missing.update(layer.top)
        elif missing.intersection(layer.bottom):
            missing.update(layer.top)
            dependent.append(layer)
        else:
            kept.append(layer)
    return kept, dependent


def _net_of(net: Any, layers: list[Any]) -> Any:
    """Return a copy of a NetParameter with these layers only."""
    copy = type(net)()
    copy.CopyFrom(net)
    for name in ("input", "input_shape", "input_dim", "layer"):
        copy.ClearField(name)
    copy.layer.extend(layers)
    return copy


def _tell_unshaped(found: Trial, layer: Any, top: int, readers: list[str]) -> None:
    message = f'{title(layer)}: neither its setup nor its reshape gives its top "{layer.top[top]}" a shape'
    if readers:
        found.problems.append(f"{message}, which {', '.join(readers)} needs: call top[{top}].reshape(...) in reshape")
    elif not reshapes_late(layer.python_param):
        found.problems.append(f"{message}: call top[{top}].reshape(...) in reshape")
    else:
        found.warnings.append(f"{message}; a later one in forward is too late for what is set up before")


def _on_the_runtime(net: Any, state: State) -> Built:
    from caffe_pylayers.runtime.net.shapes import shapes_of

    names: list[str] = []
    try:
        built = shapes_of(net, state, names.append)
    except (Exception, SystemExit) as error:  # SystemExit: a Python layer's
        text = " ".join(line_of(error).split())
        if not raised_here(error):
            place = place_of((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__))
            old = advice(error)
            text = f"{type(error).__name__}: {text} ({place}){f'; {old}' if old else ''}"
        name = names[-1] if names else ""
        return Built(name, re.sub(rf"^layer {re.escape(quoted(name))} \(.*?\): ", "", text))
    return Built(unshaped=[top for layer in built for top in layer.unshaped])


def _on_caffe(net: Any, state: State) -> Built:
    code, log, unshaped = _forked(net, state)
    if code == 0:
        return Built(unshaped=unshaped)
    layers = list(net.layer)
    built, refused = 0, len(layers)  # as many of the first layers are, and are not, built
    while refused - built > 1:
        middle = (built + refused) // 2
        middle_code, middle_log, _ = _forked(_net_of(net, layers[:middle]), state)
        if middle_code:
            refused, code, log = middle, middle_code, middle_log
        else:
            built = middle
    return Built(layers[refused - 1].name if layers else "", _reason(log, code))


def _forked(net: Any, state: State) -> tuple[int, str, list[str]]:
    """Build in a fork: its exit code, negative for a signal; what was printed; the tops without a shape."""
    with tempfile.TemporaryDirectory() as folder:
        path, log, unshaped = (Path(folder, name) for name in ("net.prototxt", "log", "unshaped"))
        path.write_text(str(net), encoding="utf-8")
        child = os.fork()
        if not child:
            _build(path, state, log, unshaped)
        _, status = os.waitpid(child, 0)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return code, log.read_text(errors="replace"), [] if code else json.loads(unshaped.read_text())


def _build(path: Path, state: State, log: Path, unshaped: Path) -> NoReturn:
    faulthandler.disable()  # whose stacks would go to where stderr was
    output = os.open(log, os.O_WRONLY | os.O_CREAT)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 - for what Boost prints
    code = 1
    try:
        blobs = _engine.caffe().Net(str(path), state.phase, level=state.level, stages=list(state.stages)).blobs
        unshaped.write_text(json.dumps([name for name, blob in blobs.items() if not blob.count and not blob.shape]))
        code = 0
    except BaseException as error:
        traceback.print_exc()
        print(advice(error), file=sys.stderr)
    finally:
        os._exit(code)


def _reason(log: str, code: int) -> str:
    """Return why Caffe has ended: its fatal message, or the exception of a Python layer with its place."""
    fatal = re.findall(r"^F\d.*?\] (.*)$", log, re.MULTILINE)
    if fatal:
        return str(fatal[0]).strip()
    raised = re.findall(r"^(?!SystemError)\w[\w.]*(?:Error|Exception|Exit)\b.*$", log, re.MULTILINE)
    if raised:
        places = re.findall(r'^  File "(.*)", line (\d+)', log.partition(raised[0])[0], re.MULTILINE)
        old = re.findall(rf"^.*: {re.escape(WHAT_HELPS)}$", log, re.MULTILINE)
        return "; ".join([f"{raised[0]}{f' ({place_of(places)})' if places else ''}", *old])
    ending = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"Caffe ended ({ending}) without a word"

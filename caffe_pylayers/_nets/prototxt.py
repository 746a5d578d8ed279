"""Text prototxts, read into the messages of any caffe: the engine's, or the runtime's own."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, Callable

from caffe_pylayers import _engine

Origin = Callable[[str], "str | None"]

_UNKNOWN_FIELD = re.compile(r'Message type "caffe\.(?P<message>\w+)" has no field named "(?P<field>\w+)"')
_OTHER_LAYER = {"LayerParameter": "V1LayerParameter", "V1LayerParameter": "LayerParameter"}
_WRITTEN = {"LayerParameter": "layer {}", "V1LayerParameter": "layers {}, the old format,"}
_LISTED = 4


def read_net(path: str | os.PathLike[str]) -> Any:
    """The NetParameter in a file.

    ValueError("FILE:LINE:COLUMN: message") for text that is none, OSError for a file that
    cannot be read.
    """
    return _read(path, "NetParameter")


def read_solver(path: str | os.PathLike[str]) -> Any:
    """The SolverParameter in a file; raises as read_net does."""
    return _read(path, "SolverParameter")


def decode(content: bytes, name: str | os.PathLike[str]) -> str:
    """The text of a file called ``name``; ValueError where it is not in UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ValueError(f"{name}:{line}:{column}: not a text prototxt, or not in UTF-8") from None


def parse(
    text: str, kind: str, messages: Any, name: str | os.PathLike[str], origin: Origin = lambda field: None
) -> Any:
    """The NetParameter or SolverParameter, of a module of messages, in a text.

    name: of the text, for errors. origin: which other Caffe a field belongs to.
    ValueError("NAME:LINE:COLUMN: message") for text that is none.
    """
    from google.protobuf import text_format

    try:
        return text_format.Parse(text, getattr(messages, kind)())
    except text_format.ParseError as error:
        hint = _kind_hint(text, kind, messages) or _field_hint(str(error), messages, origin)
        raise ValueError(f"{name}:{_message(error)}{hint}") from None


def _read(path: str | os.PathLike[str], kind: str) -> Any:
    return parse(decode(Path(path).read_bytes(), path), kind, _engine.messages(), path)


def _message(error: Any) -> str:
    """``LINE:COLUMN: message`` of a ParseError, whose text has it as ``LINE:COLUMN : message``."""
    line, column = error.GetLine(), error.GetColumn()
    text = str(error)
    if line is None:
        return f"1:1: {text}"
    column = 1 if column is None else column
    return f"{line}:{column}: {text.split(' : ', 1)[-1]}"


def _kind_hint(text: str, kind: str, messages: Any) -> str:
    """Where text is a solver instead of a net: so, and which net it names; and the other way round."""
    from google.protobuf import text_format

    other = "SolverParameter" if kind == "NetParameter" else "NetParameter"
    try:
        found = text_format.Parse(text, getattr(messages, other)())
    except text_format.ParseError:
        return ""
    if kind == "SolverParameter":
        return " This is a net; give the solver that names it"
    net = found.net or found.train_net
    return f" This is a solver, not a net{f'; its net is {net}' if net else ''}"


def _field_hint(error: str, messages: Any, origin: Origin) -> str:
    """Where the error is a field that a message does not have: where it belongs, or what it may be meant for."""
    found = _UNKNOWN_FIELD.search(error)
    if not found:
        return ""
    field, types = found["field"], messages.DESCRIPTOR.message_types_by_name
    wrong = types.get(found["message"])
    if origin(field):
        return f" It is a field of {origin(field)}"
    if wrong is None:  # a message inside a message
        return ""
    other = _OTHER_LAYER.get(wrong.name)
    if other and field in types[other].fields_by_name:
        return f" {_WRITTEN[other]} has it"
    owners = sorted(f.name for f in wrong.fields if f.message_type and field in f.message_type.fields_by_name)
    if owners:
        more = ", ..." if len(owners) > _LISTED else ""
        return f" It belongs into one of its messages: {', '.join(owners[:_LISTED])}{more}"
    close = difflib.get_close_matches(field, wrong.fields_by_name, n=1)
    return f" Did you mean {close[0]}?" if close else ""

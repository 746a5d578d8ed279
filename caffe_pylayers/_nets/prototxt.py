"""Text prototxts, read as Caffe reads them: parsed, then brought to the current format.

Into the messages of any caffe: the engine's, by default, or those of the module given.
"""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_pylayers import _engine
from caffe_pylayers._layer.quote import plain
from caffe_pylayers._nets import upgrade
from caffe_pylayers._nets.forks import lowering
from caffe_pylayers._nets.forks.messages import weights_alone
from caffe_pylayers._nets.parse_hints import hint

if TYPE_CHECKING:
    from caffe_pylayers._nets.stored import AskBlobs

_STRING = rb'"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?'  # one that never ends is the parser's to report
_STRING_OR_COMMENT = re.compile(rb"(" + _STRING + rb")|#[^\n]*")
_NO_TOKEN = re.compile(r"[^\t-\r -~]")
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_net(path: str | os.PathLike[str], messages: Any = None, blobs: AskBlobs | None = None) -> Any:
    """Return the NetParameter in a file, brought to the current format, a fork's in Caffe's own messages.

    messages: the module of Caffe's messages, caffe_pb2; by default that of the engine. blobs: returns the shapes of the
    net's learned blobs, by layer; called where they tell types that forks spell alike.
    Raises ValueError("FILE:LINE:COLUMN: message") for text that is no net, ValueError("FILE: message") for
    an old net that has no equal in the current format, OSError for a file that cannot be read.
    """
    messages = messages or _engine.messages()
    return lowering.lower(_upgraded(_text(path), path, messages), messages, path, blobs)


def read_solver(path: str | os.PathLike[str], messages: Any = None) -> Any:
    """Return the SolverParameter in a file, in the current format, the nets in it too; otherwise as read_net."""
    return parse_solver(_text(path), path, messages)


def parse_net(text: str, name: str | os.PathLike[str] = "net", messages: Any = None) -> Any:
    """Return the NetParameter in a text, in the current format; ``name`` stands for the file in errors."""
    messages = messages or _engine.messages()
    return lowering.lower(_upgraded(text, name, messages), messages, name)


def read_unlowered(path: str | os.PathLike[str]) -> Any:
    """Return the NetParameter or SolverParameter in a file, in the current format, what is a fork's as it is.

    Raises as read_net for a text that is neither.
    """
    text, messages = _text(path), _engine.messages()
    try:
        return _upgraded(text, path, messages)
    except ValueError as error:
        try:
            solver = parse(text, "SolverParameter", path, messages)
        except ValueError as other:
            raise max(error, other, key=_reached) from None
    upgrade.upgrade_solver(solver, path)
    return solver


def _reached(error: ValueError) -> tuple[int, ...]:
    """Return the line and the column of an error of parse."""
    found = re.search(r":(\d+):(\d+): ", str(error))
    return tuple(map(int, found.groups())) if found else ()


def _upgraded(text: str, name: str | os.PathLike[str], messages: Any) -> Any:
    net = parse(text, "NetParameter", name, messages)
    upgrade.upgrade_net(net, name)
    return net


def parse_solver(text: str, name: str | os.PathLike[str] = "solver", messages: Any = None) -> Any:
    """Return the SolverParameter in a text, in the current format; ``name`` stands for the file in errors."""
    messages = messages or _engine.messages()
    solver = parse(text, "SolverParameter", name, messages)
    upgrade.upgrade_solver(solver, name)
    return lowering.lower_solver(solver, messages, name)


def parse(text: str, kind: str, name: str | os.PathLike[str], messages: Any = None) -> Any:
    """Return the NetParameter or SolverParameter in a text, in the format that it is written in.

    One with fields of forks comes in messages that have them: see forks.lowering.

    kind: which of the two. Raises ValueError("NAME:LINE:COLUMN: message") for text that is none.
    """
    from google.protobuf import text_format

    messages = messages or _engine.messages()
    found = getattr(messages, kind)()
    try:
        try:
            return text_format.Parse(text, found)
        except text_format.ParseError:
            return lowering.parse(text, kind, messages)  # a fork's, or neither net nor solver
    except text_format.ParseError as error:
        raise ValueError(f"{name}:{plain(_message(error, text))}{hint(text, kind, str(error), messages)}") from None


def _message(error: Any, text: str) -> str:
    """Return ``LINE:COLUMN: message`` of a ParseError, without the line that it may quote."""
    line, column = error.GetLine(), error.GetColumn()
    if line is None:
        return f"1:1: {error}"
    message = str(error).split(" : ", 1)[-1]
    for line_quoted in (*text.split("\n")[line - 1 : line], ""):  # "": where the text ends
        quoted = f"'{line_quoted}': "
        if message.startswith(quoted):
            message = message[len(quoted) :]
    return f"{line}:{1 if column is None else column}: {message}"


# --- from bytes to text ----------------------------------------------------------------------------


def _text(path: str | os.PathLike[str]) -> str:
    """Return a file's text without its comments, which may be in any encoding; ValueError where Caffe reads none."""
    content = Path(path).read_bytes()
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise ValueError(f"{path}:1:1: {_without_mark(encoding, path)}")
    content = _STRING_OR_COMMENT.sub(lambda found: found[1] or b"#", content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        if weights_alone(Path(path).read_bytes(), _engine.messages().NetParameter()):
            raise ValueError(f"{path}: a caffemodel, of weights; give the prototxt of its net") from None
        raise ValueError(
            f"{path}:{_place(content[: error.start].decode())}: not a text prototxt, or not in UTF-8; "
            f"save it as UTF-8, in an editor or by: iconv -f GBK -t UTF-8 {path} (where it is in GBK)"
        ) from None
    outside = re.sub(_STRING.decode(), lambda found: " " * len(found[0]), text)
    strange = _NO_TOKEN.search(outside)
    if strange:
        raise ValueError(
            f"{path}:{_place(text[: strange.start()])}: {strange[0]!r} (U+{ord(strange[0]):04X}) outside of a string, "
            "where Caffe takes ASCII only"
        )
    return text


def _without_mark(encoding: str, path: str | os.PathLike[str]) -> str:
    if encoding == "UTF-8":
        return (
            "starts with a byte order mark (BOM), which Caffe cannot read; save it as UTF-8 without BOM, in an editor "
            rf"or by: sed -i '1s/^\xEF\xBB\xBF//' {path}"
        )
    return (
        f"starts with a byte order mark (BOM) of {encoding}; save it as UTF-8 without BOM, in an editor "
        f"or by: iconv -f {encoding} -t UTF-8 {path}"
    )


def _place(before: str) -> str:
    """Return the ``LINE:COLUMN`` of the character after this text."""
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"

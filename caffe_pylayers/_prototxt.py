"""Text prototxts, read into the messages of the engine's caffe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

from caffe_pylayers import _engine


def read_net(path: str | os.PathLike[str]) -> Any:
    """The NetParameter in a file.

    ValueError("FILE:LINE:COLUMN: message") for text that is none, OSError for a file that
    cannot be read.
    """
    return _read(path, "NetParameter", hint=_solver_hint)


def read_solver(path: str | os.PathLike[str]) -> Any:
    """The SolverParameter in a file; raises as read_net does."""
    return _read(path, "SolverParameter", hint=_net_hint)


def _read(path: str | os.PathLike[str], kind: str, hint: Callable[[str], str]) -> Any:
    from google.protobuf import text_format

    content = Path(path).read_bytes()
    try:
        return _parse(content.decode("utf-8"), kind)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ValueError(f"{path}:{line}:{column}: not a text prototxt, or not in UTF-8") from None
    except text_format.ParseError as error:
        raise ValueError(f"{path}:{_message(error)}{hint(content.decode('utf-8'))}") from None


def _parse(text: str, kind: str) -> Any:
    from google.protobuf import text_format

    return text_format.Parse(text, getattr(_engine.messages(), kind)())


def _message(error: Any) -> str:
    """``LINE:COLUMN: message`` of a ParseError, whose text has it as ``LINE:COLUMN : message``."""
    line, column = error.GetLine(), error.GetColumn()
    text = str(error)
    if line is None:
        return f"1:1: {text}"
    column = 1 if column is None else column
    return f"{line}:{column}: {text.split(' : ', 1)[-1]}"


def _solver_hint(text: str) -> str:
    """Where text is a solver instead of a net: so, and which net it names."""
    solver = _parsed(text, "SolverParameter")
    if solver is None:
        return ""
    net = solver.net or solver.train_net
    return f" This is a solver, not a net{f'; its net is {net}' if net else ''}"


def _net_hint(text: str) -> str:
    net = _parsed(text, "NetParameter")
    return "" if net is None else " This is a net; give the solver that names it"


def _parsed(text: str, kind: str) -> Any:
    from google.protobuf import text_format

    try:
        return _parse(text, kind)
    except text_format.ParseError:
        return None

"""Exceptions as the one line that the user reads."""

from __future__ import annotations

import contextlib
import importlib
import os
import traceback
from pathlib import Path
from types import FrameType
from typing import Iterable, Iterator

import caffe_pylayers
from caffe_pylayers._engine import EngineError
from caffe_pylayers._engine.libraries import MissingLibrary, optional
from caffe_pylayers.cli import UserError

__all__ = ["line_of", "one_line", "optional", "place_of", "print_foreign", "raised_here", "told"]

_HOME = Path(caffe_pylayers.__file__).parent
_IMPORTING = ("<frozen ", importlib.__file__)
_BRIDGES = _HOME / "_compat" / "bridges"


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turn exceptions into UserErrors: this package's and the system's as they are, others with a traceback printed.

    A message of ours says what is wrong and where; of a foreign layer's exception the traceback does.
    """
    try:
        yield
    except (UserError, EngineError, MissingLibrary):
        raise
    except (Exception, SystemExit) as error:  # SystemExit: a layer's
        if isinstance(error, OSError) or getattr(error, "_printed_by_layer", False) or raised_here(error):
            raise UserError(line_of(error)) from error
        print_foreign(error)
        raise UserError(told(error)) from error


def print_foreign(error: BaseException) -> None:
    """Print an exception's traceback from the first frame on that is neither this package's nor the import system's."""
    trace = error.__traceback__
    while trace and (_ours(_file_of(trace.tb_frame)) or _file_of(trace.tb_frame).startswith(_IMPORTING)):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def _file_of(frame: FrameType) -> str:
    return frame.f_code.co_filename


def _ours(file: str) -> bool:
    return _HOME in Path(file).parents and _BRIDGES not in Path(file).parents


def place_of(places: Iterable[tuple[str, object]]) -> str:
    """Return FILE:LINE of the last place of a traceback, before libraries that it goes on into."""
    every = list(places)
    own = [place for place in every if not _in_a_library(place[0])]
    return "{}:{}".format(*(own or every)[-1])


def _in_a_library(file: str) -> bool:
    path = Path(file)
    installed = not {"site-packages", "dist-packages"}.isdisjoint(path.parts)
    made = file.startswith("<")  # old numpy's <__array_function__ internals>
    return installed or made or not {_HOME, Path(os.__file__).parent}.isdisjoint(path.parents)


def told(error: BaseException) -> str:
    """Return the kind of a foreign exception, its message and, for one of Python 2 code, what to do."""
    from caffe_pylayers._compat.advice import advice

    old = advice(error)
    return f"{type(error).__name__}: {line_of(error)}{f'; {old}' if old else ''}"


def line_of(error: BaseException) -> str:
    """Return an exception's message; that of an OSError as ``FILE: reason``."""
    if isinstance(error, OSError) and error.strerror:
        # The HDF5 library's text has several lines.
        reason = os.strerror(error.errno) if error.errno and "\n" in error.strerror else error.strerror
        return f"{error.filename}: {reason}" if error.filename else reason
    return str(error)


def raised_here(error: BaseException) -> bool:
    """Return True if this package raised an exception; what its bridges for old code raise, that code did."""
    files = [Path(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__)]
    raising = next((file for file in reversed(files) if _BRIDGES not in file.parents), None)
    return raising is not None and _HOME in raising.parents

"""Libraries that only the package's extras bring: one line that says which extra, where one is missing."""

from __future__ import annotations

import contextlib
import sys
from typing import Iterator

from caffe_pylayers._engine.interrupts import held


class MissingLibrary(ImportError):  # noqa: N818 - what it is
    """A library is not installed, or cannot be imported; the message says what to install."""


@contextlib.contextmanager
def optional(what: str, extras: str, instead: str = "") -> Iterator[None]:
    """Import optional libraries in the block; MissingLibrary where one cannot be imported.

    what: the part of the message that says who needs it. extras: those of this package that bring it, as pip takes
    them. instead: what does the same without it. A module of this package that is missing raises as it is.
    """
    try:
        with held():
            yield
    except MissingLibrary:
        raise
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        if library == "caffe_pylayers":
            raise
        needed = error.name if isinstance(error, ModuleNotFoundError) else f"{library} ({error})"
        on = " on Python 3.10 or newer" if "runtime" in extras and sys.version_info < (3, 10) else ""
        other = f"; or take {instead}" if instead else ""
        raise MissingLibrary(f"{what} needs {needed}: pip install 'caffe-pylayers[{extras}]'{on}{other}") from error

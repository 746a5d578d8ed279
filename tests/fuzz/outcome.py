"""What became of one hostile input.

ok       it was read and computed
clean    an exception of one line that a raise statement of this package raised and that names the layer, the blob
         or the file
obscure  any other exception
crash    the process died
hang     no end within the time
"""

from __future__ import annotations

import dis
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import caffe_pylayers

HOME = Path(caffe_pylayers.__file__).parent
LONGEST = 1000  # characters of a message that a person reads

# Words of the libraries beneath, which tell a user nothing.
INSIDES = (
    "DefaultCPUAllocator",
    "torch.",
    "aten::",
    "google.protobuf",
    "TORCH_",
    "Tensor",
    "NoneType",
    "has no attribute",
)


def outcome(do: Callable[[], object], names: tuple[str, ...]) -> tuple[str, str]:
    """Run one case: ``ok`` or ``clean`` or ``obscure``, and the exception's text.

    names: texts of which a clean message has one.
    """
    try:
        do()
    except Exception as error:
        trace = _last(error.__traceback__)
        file = Path(trace.tb_frame.f_code.co_filename)
        notes = getattr(error, "__notes__", [])  # on exceptions of a Python layer, that is not ours
        ours = bool(notes) or (HOME in file.parents and _raises(trace) and not isinstance(error, AssertionError))
        clean = ours and _readable(str(error)) and any(name in text for name in names for text in (str(error), *notes))
        where = f"[{file.name}:{trace.tb_lineno}]"
        return ("clean" if clean else "obscure"), f"{type(error).__name__}: {error}  {where}"
    return "ok", ""


def _last(trace: TracebackType) -> TracebackType:
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _raises(trace: TracebackType) -> bool:
    """True if a raise statement of the frame's own code raised, and not a library in C that it called."""
    instructions = dis.get_instructions(trace.tb_frame.f_code)
    return any(found.offset == trace.tb_lasti and "RAISE" in found.opname for found in instructions)


def _readable(message: str) -> bool:
    """One line, not long, in letters, and none of it about the libraries beneath."""
    insides = any(word in message for word in INSIDES)
    return message.isprintable() and 0 < len(message) <= LONGEST and not insides

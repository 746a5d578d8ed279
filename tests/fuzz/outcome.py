"""What became of one hostile input.

ok       it was read and computed
clean    an exception of one line that this package raised and that names the layer or the file
obscure  any other exception
crash    the process died
hang     no end within the time
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

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
        *_, (frame, line) = traceback.walk_tb(error.__traceback__)
        notes = getattr(error, "__notes__", [])  # on exceptions of a Python layer, that is not ours
        ours = bool(notes) or HOME in Path(frame.f_code.co_filename).parents
        clean = ours and _readable(str(error)) and any(name in text for name in names for text in (str(error), *notes))
        where = f"[{Path(frame.f_code.co_filename).name}:{line}]"
        return ("clean" if clean else "obscure"), f"{type(error).__name__}: {error}  {where}"
    return "ok", ""


def _readable(message: str) -> bool:
    """One line, not long, in letters, and none of it about the libraries beneath."""
    insides = any(word in message for word in INSIDES)
    return message.isprintable() and 0 < len(message) <= LONGEST and not insides

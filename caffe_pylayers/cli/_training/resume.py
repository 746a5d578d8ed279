"""The snapshot that a training goes on from when it is only told to go on."""

from __future__ import annotations

import glob
import re
import sys
from pathlib import Path

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._training.state import State, read_state


def newest_state(prefix: Path) -> State | None:
    """The newest whole snapshot with this prefix, its model among it; None without any.

    Newer ones that are not whole are named on stderr.
    """
    found = []
    for path in prefix.parent.glob(f"{glob.escape(prefix.name)}_iter_*.solverstate*"):
        name = re.fullmatch(rf"{re.escape(prefix.name)}_iter_(\d+)\.solverstate(\.h5)?", path.name)
        if name:
            found.append((int(name[1]), path))
    for _, path in sorted(found, reverse=True):
        try:
            return read_state(path)
        except UserError as error:
            print(f"passed over: {error}", file=sys.stderr)
    return None

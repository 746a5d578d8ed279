"""Text prototxts, read as Caffe reads them: parsed, then brought to the current format."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from caffe_pylayers._nets import prototxt, upgrade
from caffe_pylayers._nets.forks import fork_of_field
from caffe_pylayers.runtime.proto import caffe_pb2

# A string, to be kept, or a comment, whose encoding is nobody's business.
_STRING_OR_COMMENT = re.compile(rb'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|#[^\n]*')


def read_net(path: str | os.PathLike[str]) -> Any:
    """The NetParameter in a file, in the current format.

    ValueError("FILE:LINE:COLUMN: message") for text that is none, ValueError("FILE: message") for
    an old net that has no equal in the current format, OSError for a file that cannot be read.
    """
    return parse_net(_text(path), path)


def read_solver(path: str | os.PathLike[str]) -> Any:
    """The SolverParameter in a file, in the current format, its snapshot_prefix completed; raises as read_net does.

    Without a snapshot_prefix snapshots go beside the file, under its name; where the prefix is a
    folder, into it.
    """
    solver = parse_solver(_text(path), path)
    upgrade.complete_snapshot_prefix(solver, path)
    return solver


def parse_net(text: str, name: str | os.PathLike[str] = "net") -> Any:
    """The NetParameter in a text, in the current format; ``name`` stands for the file in errors."""
    net = prototxt.parse(text, "NetParameter", caffe_pb2, name, fork_of_field)
    upgrade.upgrade_net(net, name)
    return net


def parse_solver(text: str, name: str | os.PathLike[str] = "solver") -> Any:
    """The SolverParameter in a text, in the current format; ``name`` stands for the file in errors."""
    solver = prototxt.parse(text, "SolverParameter", caffe_pb2, name, fork_of_field)
    upgrade.upgrade_solver(solver, name)
    return solver


def _text(path: str | os.PathLike[str]) -> str:
    content = _STRING_OR_COMMENT.sub(lambda found: found[1] or b"#", Path(path).read_bytes())
    return prototxt.decode(content, path)

"""Bring an old prototxt, solver or caffemodel to today's format: as Caffe's upgrade_net_proto_* and upgrade_solver_*.

    caffe-pylayers upgrade old.prototxt new.prototxt

What the file is follows from its name (.caffemodel and .binaryproto are binary) and, for text, from its fields.
Without OUTPUT text is printed; --in-place writes over the file itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from caffe_pylayers._disk import files
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._net_options import Positional, need_model
from caffe_pylayers.cli._parser import given

BINARY = (".caffemodel", ".binaryproto")

# A default would write over what is there.
_GIVEN: dict[str, Any] = {"nargs": "?", "type": given, "default": argparse.SUPPRESS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``upgrade``."""
    parser.set_defaults(output=None)
    parser.add_argument("model", action=_File, metavar="FILE", help="a net, a solver or a caffemodel", **_GIVEN)
    parser.add_argument("output", action=Positional, metavar="OUTPUT", help="the upgraded file", **_GIVEN)
    parser.add_argument("--model", "-model", type=given, metavar="FILE", help="the same as FILE by position")
    parser.add_argument("--in-place", action="store_true", help="write over FILE")


class _File(Positional):
    """Stores FILE, or OUTPUT where --model has given FILE."""

    def __call__(self, parser: argparse.ArgumentParser, args: argparse.Namespace, value: Any, _: Any = None) -> None:
        setattr(args, "model" if args.model is None else "output", value)


def run(args: argparse.Namespace) -> int:
    """Upgrade; return the exit code."""
    need_model(args)
    if args.in_place and args.output is not None:
        raise UserError(f"--in-place writes over {args.model}; it does not go with OUTPUT, {args.output}")
    path, output = Path(args.model), args.model if args.in_place else args.output
    if path.suffix == ".h5":
        raise UserError(f"{path}: HDF5 has no old format, so there is nothing to upgrade")
    binary = path.suffix in BINARY
    if binary and output is None:
        raise UserError("a binary file needs OUTPUT or --in-place")
    with one_line():
        content = _binary(path) if binary else _text(path).encode()
        if output is not None:
            with files.whole(Path(output)) as temporary:
                temporary.write_bytes(content)
    print(output if output is not None else content.decode(), end="\n" if output is not None else "")
    return 0


def _binary(path: Path) -> bytes:
    from caffe_pylayers import _engine
    from caffe_pylayers._nets import stored

    model = _engine.messages().NetParameter()
    stored.parse_model(path.read_bytes(), model, path)
    if not model.layer:
        raise UserError(f"{path}: no caffemodel: it has no layers")
    content: bytes = model.SerializeToString()
    return content


def _text(path: Path) -> str:
    from caffe_pylayers._nets import prototxt

    return str(prototxt.read_unlowered(path))

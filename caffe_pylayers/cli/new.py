"""Write a Python layer to start from: its module, its test and a net that has it.

    caffe-pylayers new ScaledTanh
    caffe-pylayers new FocalLoss --loss

NAME is the class's, ScaledTanh, or the module's, scaled_tanh; the files are scaled_tanh.py, test_scaled_tanh.py and
scaled_tanh.prototxt, in this folder. They work as they are: change them step by step. Nothing is overwritten.
"""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import re
from pathlib import Path

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line

_TEMPLATES = Path(__file__).parent / "_new"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``new``."""
    parser.add_argument("name", metavar="NAME", help="of the class, such as ScaledTanh, or of the module, scaled_tanh")
    parser.add_argument(
        "--loss", action="store_true", help="a loss of predictions and targets, not a layer of one bottom"
    )


def run(args: argparse.Namespace) -> int:
    """Write the files, and print their names and what to run next; return the exit code."""
    module, cls = _names(args.name)
    texts = {}
    for source in sorted((_TEMPLATES / ("loss" if args.loss else "layer")).glob("*new_layer.*")):
        text = source.read_text(encoding="utf-8").replace("NewLayer", cls).replace("new_layer", module)
        texts[Path(source.name.replace("new_layer", module))] = text
    for path in texts:
        if path.exists():
            raise UserError(f"{path} is there already; nothing was written")
    with one_line():
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
            print(path)
    bottoms = "--bottom 4x3 --bottom 4x3" if args.loss else "--bottom 4x3"
    print(f"check it with\n  caffe-pylayers check-layer {module}.{cls} {bottoms}\n  python -m pytest test_{module}.py")
    return 0


def _names(name: str) -> tuple[str, str]:
    """Return the module's and the class's name; UserError for one that Python or another module does not leave free."""
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name) or not name.strip("_"):
        raise UserError(f"{name!r} is no name for a class or a module: letters, digits and _, not a digit first")
    if name[0].isupper():
        module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
        cls = name
    else:
        module = name
        cls = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    found = None if Path(f"{module}.py").exists() else importlib.util.find_spec(module)
    if found is not None or keyword.iskeyword(module):
        where = f": {found.origin}" if found is not None and found.origin else ""
        raise UserError(f"a module {module} exists already{where}; choose another name")
    return module, cls

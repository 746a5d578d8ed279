"""Write a fork's net as one that stock Caffe runs with this package, and its weights.

    caffe-pylayers port ssd.prototxt ssd.caffemodel -o ported.prototxt

Layers of the fork's types become Python layers of this package, or the types of Caffe that they equal. What became of
what is printed; what has no equal is listed, all at once, and nothing is written. The weights go to a caffemodel beside
OUTPUT.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from caffe_pylayers._disk import files
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._parser import given


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``port``."""
    parser.add_argument("model", type=given, metavar="NET", help="the fork's net")
    parser.add_argument("weights", nargs="?", type=given, metavar="WEIGHTS", help="its caffemodel")
    parser.add_argument("--output", "-o", type=given, required=True, metavar="OUTPUT", help="the net for stock Caffe")


def run(args: argparse.Namespace) -> int:
    """Port; return the exit code."""
    from caffe_pylayers import _engine
    from caffe_pylayers._nets import prototxt
    from caffe_pylayers._nets.forks.lowering import lowered

    output = Path(args.output)
    with one_line():
        found = lowered(prototxt.upgraded(args.model), _engine.messages())
        faults = found.faults + _unknown_types(found.net)
        if faults:
            lines = "".join(f"\n  {fault}" for fault in faults)
            raise UserError(f"{args.model}: cannot be ported, and nothing is written:{lines}")
        weights = None if args.weights is None else _weights(args.weights)
        with files.whole(output) as temporary:
            temporary.write_text(_text(found), encoding="utf-8")
        if weights is not None:
            with files.whole(output.with_suffix(".caffemodel")) as temporary:
                temporary.write_bytes(weights)
    for name, kind, what in found.became:
        print(f"{name} ({kind}): {what}")
    print(f"{output}: {len(found.became)} of {len(found.net.layer)} layers were a fork's")
    return 0


def _unknown_types(net: Any) -> list[str]:
    from caffe_pylayers._nets.forks.names import fork_of_type
    from caffe_pylayers._nets.forks.table import in_python
    from caffe_pylayers._nets.include_rules import title

    return [
        f"{title(layer)}: a type of {fork_of_type(layer.type)}, which nothing here does"
        for layer in net.layer
        if fork_of_type(layer.type) and not in_python(layer)
    ]


def _text(found: Any) -> str:
    """Return the net's text, with a comment for each field that is left out."""
    from caffe_pylayers._nets.backward_plan import loss_weights
    from caffe_pylayers._nets.forks.table import in_python

    whole = type(found.net)()
    whole.CopyFrom(found.net)
    whole.ClearField("layer")
    parts = [_comments(found, ""), str(whole)]
    for layer in found.net.layer:
        if in_python(layer):
            if not layer.loss_weight:  # a type that ends in Loss has one by default, Python has not
                layer.loss_weight.extend(loss_weights(layer))
            layer.type = "Python"
        inside = "".join(f"  {line}\n" for line in str(layer).splitlines())
        parts += [_comments(found, layer.name), f"layer {{\n{inside}}}\n"]
    return "".join(parts)


def _comments(found: Any, name: str) -> str:
    return "".join(f"# left out: {place}\n" for layer, place in found.left_out if layer == name)


def _weights(path: str) -> bytes:
    """Return a caffemodel of the layers' names, types and blobs alone: the rest is the fork's, or in the net."""
    from caffe_pylayers import _engine
    from caffe_pylayers._nets import stored

    messages = _engine.messages()
    model, ported = messages.NetParameter(), messages.NetParameter()
    stored.parse_model(Path(path).read_bytes(), model, path)
    ported.name = model.name
    for layer in model.layer:
        written = ported.layer.add(name=layer.name, type=layer.type)
        written.blobs.extend(layer.blobs)
    content: bytes = ported.SerializeToString()
    return content

"""List a net's layers: types, the shapes of their tops, learned values, and multiply-adds.

    caffe-pylayers summary deploy.prototxt

Learned values include the statistics of BatchNorm; in the total, those that layers share count once. Multiply-adds
are those of the products in Convolution, Deconvolution and InnerProduct, for the whole batch. On the runtime no values
are made, so nets of any size are listed at once.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any, NamedTuple, Tuple

from caffe_pylayers._nets.forks.table import EQUALS
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._net_options import add_net_arguments, make_net, read_net

Shape = Tuple[int, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``summary``."""
    add_net_arguments(parser, phase="TEST", weights=False, iterations=None)
    parser.add_argument("--json", action="store_true", help="as JSON: a list of layers")


def run(args: argparse.Namespace) -> int:
    """Print the list; return the exit code."""
    with one_line():
        rows = list(map(_row, _layers(args)))
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    cells: list[tuple[str, ...]] = [("layer", "type", "bottoms", "tops", "learned", "multiply-adds")]
    for row in rows:
        tops = ", ".join(f"{name} {_by(shape)}" for name, shape in row["tops"].items())
        counts = (f"{row[key]:,}" if row[key] else "" for key in ("learned", "multiply_adds"))
        cells.append((row["name"], row["type"], ", ".join(row["bottoms"]), tops, *counts))
    totals = sum(row["learned"] - row["shared"] for row in rows), sum(row["multiply_adds"] for row in rows)
    cells.append((f"{len(rows)} layers", "", "", "", *(f"{total:,}" for total in totals)))
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        texts = [f"{text:<{width}}" for text, width in zip(line[:4], widths)]
        numbers = [f"{text:>{width}}" for text, width in zip(line[4:], widths[4:])]
        print("  ".join(texts + numbers).rstrip())
    return 0


class _Layer(NamedTuple):
    """A layer's name, type, blobs by name with their shapes, and learned blobs, with whether each is shared."""

    name: str
    type: str
    bottoms: list[tuple[str, Shape]]
    tops: list[tuple[str, Shape]]
    learned: list[tuple[Shape, bool]]


def _layers(args: argparse.Namespace) -> list[_Layer]:
    from caffe_pylayers import _engine

    if args.weights or args.gpu is not None or not _engine.on_runtime():
        return _layers_of(make_net(args))
    from caffe_pylayers.runtime.net.shapes import shapes_of

    return [
        _Layer(
            layer.name,
            layer.type,
            layer.bottoms,
            layer.tops,
            [(blob.shape, blob.owner is not None) for blob in layer.learned],
        )
        for layer in shapes_of(*read_net(args))
    ]


def _layers_of(net: Any) -> list[_Layer]:
    seen: set[int] = set()
    blobs = [(name, _shape(blob)) for name, blob in zip(net._blob_names, net._blobs)]
    found = []
    for i, (name, layer) in enumerate(zip(net._layer_names, net.layers)):
        params = net.params.get(name, ())  # numpy arrays, where the layer's own blobs may be tensors
        addresses = [blob.data.ctypes.data for blob in params]
        learned = [(_shape(blob), address in seen) for blob, address in zip(params, addresses)]
        seen.update(addresses)
        bottoms, tops = ([blobs[b] for b in ids(i)] for ids in (net._bottom_ids, net._top_ids))
        found.append(_Layer(name, layer.type, bottoms, tops, learned))
    return found


def _shape(blob: Any) -> Shape:
    return tuple(map(int, blob.shape))


def _row(layer: _Layer) -> dict[str, Any]:
    """Return a layer as --json prints it; ``shared`` is how many of its learned values are those of a layer before."""
    learned = [shape for shape, _ in layer.learned]
    return {
        "name": layer.name,
        "type": layer.type,
        "bottoms": {name: list(shape) for name, shape in layer.bottoms},
        "tops": {name: list(shape) for name, shape in layer.tops},
        "learned": sum(map(math.prod, learned)),
        "shared": sum(math.prod(shape) for shape, shared in layer.learned if shared),
        "multiply_adds": _multiply_adds(
            EQUALS.get(layer.type, layer.type),
            learned,
            [shape for _, shape in layer.bottoms],
            [shape for _, shape in layer.tops],
        ),
    }


def _multiply_adds(kind: str, learned: list[Shape], bottoms: list[Shape], tops: list[Shape]) -> int:
    if kind == "InnerProduct":
        outputs = tops[0][-1]
        return math.prod(tops[0]) * math.prod(learned[0]) // outputs
    if kind in ("Convolution", "Deconvolution"):  # each value on the side of weight's first axis meets one filter
        return sum(
            math.prod(shape) * math.prod(learned[0][1:]) for shape in (tops if kind == "Convolution" else bottoms)
        )
    return 0


def _by(shape: list[int]) -> str:
    return " x ".join(map(str, shape)) or "scalar"

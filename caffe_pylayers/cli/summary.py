"""List a net's layers: types, the shapes of their tops, learned values, and multiply-adds.

    caffe-pylayers summary --model deploy.prototxt

Learned values include the statistics of BatchNorm; in the total, those that layers share count once. Multiply-adds
are those of the products in Convolution, Deconvolution and InnerProduct, for the whole batch.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._net_options import add_net_arguments, make_net


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``summary``."""
    add_net_arguments(parser, phase="TEST", weights=False, iterations=None)
    parser.add_argument("--json", action="store_true", help="as JSON: a list of layers")


def run(args: argparse.Namespace) -> int:
    """Print the list; the exit code."""
    with one_line():
        net = make_net(args)
    rows = list_layers(net)
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


def list_layers(net: Any) -> list[dict[str, Any]]:
    """Each layer's name, type, bottoms and tops with their shapes, learned values, and multiply-adds.

    shared: how many of the learned values are those of a layer before.
    """
    seen: set[int] = set()
    names = list(net._blob_names)
    shapes = [[int(n) for n in blob.shape] for blob in net._blobs]
    rows: list[dict[str, Any]] = []
    for i, (name, layer) in enumerate(zip(net._layer_names, net.layers)):
        bottoms, tops = list(net._bottom_ids(i)), list(net._top_ids(i))
        learned = [[int(n) for n in blob.shape] for blob in layer.blobs]
        addresses = [blob.data.ctypes.data for blob in layer.blobs]
        shared = sum(math.prod(shape) for shape, address in zip(learned, addresses) if address in seen)
        seen.update(addresses)
        rows.append(
            {
                "name": name,
                "type": layer.type,
                "bottoms": {names[b]: shapes[b] for b in bottoms},
                "tops": {names[t]: shapes[t] for t in tops},
                "learned": sum(map(math.prod, learned)),
                "shared": shared,
                "multiply_adds": _multiply_adds(
                    layer.type, learned, [shapes[b] for b in bottoms], [shapes[t] for t in tops]
                ),
            }
        )
    return rows


def _multiply_adds(kind: str, learned: list[list[int]], bottoms: list[list[int]], tops: list[list[int]]) -> int:
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

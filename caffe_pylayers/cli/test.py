"""Run a net on its own data, and print the means of its outputs: as `caffe test`.

    caffe-pylayers test --model train_test.prototxt --weights net.caffemodel --iterations 100

A line for each value of each output of each batch, then their means, and the loss.
"""

from __future__ import annotations

import argparse
from typing import Any

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._net_options import add_net_arguments, make_net, need_data, reuse_memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``test``."""
    add_net_arguments(parser, phase="TEST", weights=True, iterations=50)
    parser.add_argument("--quiet", action="store_true", help="only the means")


def run(args: argparse.Namespace) -> int:
    """Test; return the exit code."""
    with one_line():
        net = make_net(args, ap_version="11point")  # VOC's of 2007, by which SSD's nets are compared
        need_data(net, args.model)
        reuse_memory(net, backward=False)
        means = _means(net, args)
    weights = dict(net.blob_loss_weights)
    print(f"Loss: {sum(weights[name] * values.sum() for name, values in means.items()):g}")
    for name, values in means.items():
        for value in values:
            loss = f" (* {weights[name]:g} = {weights[name] * value:g} loss)" if weights[name] else ""
            print(f"{name} = {value:g}{loss}")
    return 0


def _means(net: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Return the mean values of each output, float64, in the net's order; each batch's are printed."""
    sums: dict[str, Any] = {}
    for batch in range(args.iterations):
        found = net.forward()
        for name in net.outputs:
            values = found[name].ravel().astype(float)
            if not args.quiet:
                for value in values:
                    print(f"Batch {batch}, {name} = {value:g}")
            if sums.setdefault(name, values * 0).size != values.size:
                raise UserError(
                    f"{args.model}: output {name} had {sums[name].size} values, and in batch {batch} {values.size}"
                )
            sums[name] += values
    return {name: values / args.iterations for name, values in sums.items()}

"""Time a net, layer by layer and as a whole: as `caffe time`.

    caffe-pylayers time --model train_test.prototxt --iterations 50

Milliseconds, means over the iterations. The lines of the layers are of each by itself; the last lines are of the
whole net, which the runtime computes in fewer passes than its layers one by one.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._net_options import add_net_arguments, make_net


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``time``."""
    add_net_arguments(parser, phase="TRAIN", weights=False, iterations=50)


def run(args: argparse.Namespace) -> int:
    """Time; the exit code."""
    net = make_net(args)
    try:
        _print(net, args.iterations)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(str(error)) from error
    return 0


def _print(net: Any, iterations: int) -> None:
    names = list(net._layer_names)
    last = len(names) - 1
    net.forward()  # the first pass allocates
    net.backward()
    times = [[0.0, 0.0] for _ in names]
    for _ in range(iterations):
        for i in range(len(names)):
            times[i][0] += _ms(net._forward, i, i)
        for i in reversed(range(len(names))):
            times[i][1] += _ms(net._backward, i, i)
    width = max(map(len, names))
    print(f"{'layer':{width}}  {'type':20}{'forward':>12}{'backward':>12}")
    for name, layer, (forward, backward) in zip(names, net.layers, times):
        print(f"{name:{width}}  {layer.type:20}{forward / iterations:12.4f}{backward / iterations:12.4f}")
    whole = [
        sum(_ms(call, *span) for _ in range(iterations)) / iterations
        for call, span in ((net._forward, (0, last)), (net._backward, (last, 0)))
    ]
    print(f"Average Forward pass: {whole[0]:.4f} ms.")
    print(f"Average Backward pass: {whole[1]:.4f} ms.")
    print(f"Average Forward-Backward: {sum(whole):.4f} ms.")


def _ms(call: Any, *arguments: int) -> float:
    start = time.perf_counter()
    call(*arguments)
    return (time.perf_counter() - start) * 1e3

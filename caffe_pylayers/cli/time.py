"""Time a net, layer by layer and as a whole: as `caffe time`.

    caffe-pylayers time --model train_test.prototxt --iterations 50

Milliseconds, means over the iterations. The lines of the layers are of each by itself; the last lines are of the
whole net, which the runtime computes in fewer passes than its layers one by one.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, Callable

from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._net_options import add_net_arguments, make_net, reuse_memory

Call = Callable[[int, int], object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``time``."""
    add_net_arguments(parser, phase="TRAIN", weights=False, iterations=50)


def run(args: argparse.Namespace) -> int:
    """Time; return the exit code."""
    with one_line():
        net = make_net(args)
        reuse_memory(net, backward=True)
        _print(net, args.iterations, _gpu_ms if args.gpu is not None else _cpu_ms)
    return 0


def _cpu_ms(call: Call, *span: int) -> float:
    start = time.perf_counter()
    call(*span)
    return (time.perf_counter() - start) * 1e3


def _gpu_ms(call: Call, *span: int) -> float:
    from caffe_pylayers import _engine

    timer = _engine.caffe().Timer()  # waits for the GPU; on the CPU, Caffe's counts whole milliseconds
    timer.start()
    call(*span)
    timer.stop()
    return float(timer.ms)


def _print(net: Any, iterations: int, ms: Callable[..., float]) -> None:
    names = list(net._layer_names)
    last = len(names) - 1
    net.forward()  # the first pass allocates
    net.backward()
    times = [[0.0, 0.0] for _ in names]
    for _ in range(iterations):
        for i in range(len(names)):
            times[i][0] += ms(net._forward, i, i)
        for i in reversed(range(len(names))):
            times[i][1] += ms(net._backward, i, i)
    width = max(map(len, [*names, "layer"]))
    print(f"{'layer':{width}}  {'type':20}{'forward':>12}{'backward':>12}")
    for name, layer, (forward, backward) in zip(names, net.layers, times):
        print(f"{name:{width}}  {layer.type:20}{forward / iterations:12.4f}{backward / iterations:12.4f}")
    whole = [0.0, 0.0]
    for _ in range(iterations):
        whole[0] += ms(net._forward, 0, last)
        whole[1] += ms(net._backward, last, 0)
    print(f"Average Forward pass: {whole[0] / iterations:.4f} ms.")
    print(f"Average Backward pass: {whole[1] / iterations:.4f} ms.")
    print(f"Average Forward-Backward: {sum(whole) / iterations:.4f} ms.")
    print(f"Total Time: {sum(whole):.4f} ms.")

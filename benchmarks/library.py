"""Time of the library's heavier layers, forward and backward together, side by side in one run.

Beside each layer: the straightforward version, a loop over samples as published layers have it; PyTorch's own
function with autograd, where PyTorch is; and Caffe's own layer, where it has one. The columns are measured in turn,
round after round; a figure is the median over the rounds. A factor says how many times faster our layer is.

    .venv/bin/python benchmarks/library.py         # on the runtime
    .caffe/bin/python benchmarks/library.py        # on real Caffe
    .venv/bin/python benchmarks/library.py dice    # rows whose name has the word
"""

import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import numpy as np
from python_layers import ROUNDS, SECONDS, call_time, make_net
from rows import ROWS

from caffe_pylayers import _engine

try:
    import torch
except ImportError:
    torch = None


def torch_time(function, bottoms, wrt):
    """Return the time of the function of tensors and its gradients, one call."""
    tensors = [torch.from_numpy(np.float32(x)).requires_grad_(i in wrt) for i, x in enumerate(bottoms)]
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        function(*tensors).sum().backward()
        for tensor in tensors:
            tensor.grad = None
        calls += 1
    return (time.perf_counter() - start) / calls


def columns(row):
    """Return the functions that time one call of each column, by title."""
    layers = [("ours", "Python", f"caffe_pylayers.{row.layer}")]
    if row.loop:
        layers.append(("loop", "Python", f"loops.{row.loop}"))
    if row.caffe:
        layers.append(("Caffe", row.caffe, ""))
    named = {f"bottom{i}": x for i, x in enumerate(row.bottoms)}
    param_strs = {f"caffe_pylayers.{row.layer}": row.param_str}
    net, indices = make_net(layers, named, loss=row.loss, param_strs=param_strs, wrt=row.wrt)
    timed = {
        title: lambda i=i: call_time(net._forward, i) + call_time(net._backward, i)
        for (title, *_), i in zip(layers, indices)
    }
    if row.torch and torch:
        timed["torch"] = lambda: torch_time(row.torch, row.bottoms, row.wrt)
    return timed


def main():
    caffe, words = _engine.caffe(), sys.argv[1:]
    print(f"caffe {caffe.__version__}, {'PyTorch ' + torch.__version__ if torch else 'no PyTorch'}\n")
    print(f"  {'':44}{'ours us':>10}{'loop':>9}{'torch':>9}{'Caffe':>9}")
    for row in ROWS:
        if not all(word in row.name.lower() for word in words):
            continue
        timed = columns(row)
        seen = {title: [] for title in timed}
        for _ in range(ROUNDS):
            for title, measure in timed.items():
                seen[title].append(measure())
        found = {title: statistics.median(times) for title, times in seen.items()}
        factors = [f"{found[t] / found['ours']:.2f}x" if t in found else "" for t in ("loop", "torch", "Caffe")]
        print(f"  {row.name:44}{found['ours'] * 1e6:10.1f}" + "".join(f"{factor:>9}" for factor in factors), flush=True)


if __name__ == "__main__":
    main()

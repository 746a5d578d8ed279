"""Time per call of the Python layers, side by side in one run on the caffe that is there.

Each row times one layer of a net through ``net._forward(i, i)`` and ``net._backward(i, i)``:
the call as a solver makes it, the Python boundary included. The rows of a table run in turn,
round after round, so that a slower moment of the machine hits all of them; a figure is the
median over the rounds. The factor beside a time says how many times faster our layer is.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
os.environ.setdefault("GLOG_minloglevel", "2")  # which Caffe reads as it is loaded: only its errors between the tables

from caffe_pylayers import _engine

ROUNDS = 15
SECONDS = 0.02  # of one row in one round

ONE_HOT = [
    ("label2one_hot", "Python", "caffe_pylayers.one_hot.label2one_hot"),
    ("per-sample loop", "Python", "straightforward.OneHotLoop"),
    ("only clearing", "Python", "straightforward.Clear"),
]
LOSS = [
    ("EuclideanLossLayer", "Python", "caffe_pylayers.pyloss.EuclideanLossLayer"),
    ("with temporaries", "Python", "straightforward.EuclideanTemporaries"),
    ("EuclideanLoss, C++", "EuclideanLoss", ""),
]


def make_net(rows, bottoms, loss, param_strs=(), wrt=None):
    """A net with the input blobs and a layer for each row; returns it with the rows' layer indices.

    wrt: the numbers of the bottoms that get a gradient; default: all.
    """
    text = "force_backward: true\n" if wrt is None else ""
    for i, (name, array) in enumerate(bottoms.items()):
        dims = " ".join(f"dim: {n}" for n in array.shape)
        # A layer each, so that the inputs' gradients have where to go, as in a real net; a learned one asks for them.
        kind = "Bias" if wrt is not None and i in wrt else "Power"
        scalar = "bias_param { axis: 0 num_axes: 0 }" if kind == "Bias" else ""
        text += f'layer {{ name: "in_{name}" type: "Input" top: "in_{name}" input_param {{ shape {{ {dims} }} }} }}\n'
        text += f'layer {{ name: "{name}" type: "{kind}" bottom: "in_{name}" top: "{name}" {scalar} }}\n'
    for i, (_, kind, path) in enumerate(rows):
        python = ""
        if kind == "Python":
            module, layer = path.rsplit(".", 1)
            param_str = json.dumps(dict(param_strs).get(path, ""))
            python = f'python_param {{ module: "{module}" layer: "{layer}" param_str: {param_str} }}'
        weight = "loss_weight: 1" if loss else ""
        inputs = " ".join(f'bottom: "{name}"' for name in bottoms)
        text += f'layer {{ name: "row{i}" type: "{kind}" {inputs} top: "top{i}" {weight} {python} }}\n'
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else ".") / f"bench_{time.time_ns()}.prototxt"
    path.write_text(text)
    try:
        net = _engine.caffe().Net(str(path), _engine.caffe().TRAIN)
    finally:
        path.unlink()
    for name, array in bottoms.items():
        net.blobs[f"in_{name}"].data[...] = array
    net.forward()
    net.backward()
    return net, [list(net._layer_names).index(f"row{i}") for i in range(len(rows))]


def call_time(call, index):
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        call(index, index)
        calls += 1
    return (time.perf_counter() - start) / calls


def table(title, rows, bottoms, loss):
    net, indices = make_net(rows, bottoms, loss)
    times = {(i, call): [] for i in indices for call in ("_forward", "_backward")}
    for _ in range(ROUNDS):
        for (i, call), seen in times.items():
            seen.append(call_time(getattr(net, call), i))
    print(f"\n{title}")
    print(f"  {'':24}{'forward us':>12}{'':>8}{'backward us':>14}{'':>8}{'both us':>12}")
    ours = None
    for (name, *_), i in zip(rows, indices):
        forward, backward = (statistics.median(times[i, call]) * 1e6 for call in ("_forward", "_backward"))
        figures = (forward, backward, forward + backward)
        ours = ours or figures
        factors = ["" if figures is ours else f"{theirs / mine:.2f}x" for mine, theirs in zip(ours, figures)]
        print(
            f"  {name:24}{figures[0]:12.1f}{factors[0]:>8}{figures[1]:14.1f}{factors[1]:>8}"
            f"{figures[2]:12.1f}{factors[2]:>8}"
        )


def main():
    caffe = _engine.caffe()
    print(f"caffe {caffe.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
    rng = np.random.RandomState(0)
    for n, classes in ((64, 10), (1024, 10), (256, 1000)):
        bottoms = {"label": rng.randint(0, classes, n), "features": rng.standard_normal((n, classes))}
        table(f"one-hot, {n} x {classes}", ONE_HOT, bottoms, loss=False)
    for shape in ((64, 10), (256, 1000), (64, 21, 64, 64)):
        bottoms = {"predictions": rng.standard_normal(shape), "targets": rng.standard_normal(shape)}
        table(f"Euclidean loss, {' x '.join(map(str, shape))}, both gradients", LOSS, bottoms, loss=True)


if __name__ == "__main__":
    main()

"""Whole nets on the runtime beside real Caffe and PyTorch: iterations as a user runs them, in one run, as ratios.

    python benchmarks/nets.py [NET ...] [--rounds N]

Each runs in a process of its own, on the same cores, and they take turns. Input blobs stand for the data, so that
only the net is timed. forward: the net to use, in the TEST phase. train: forward, backward and update,
``solver.step(1)``. PyTorch's is a plain module of the same mathematics (eager.py), with NCHW or channels-last values:
the faster one counts. A ratio is the other's time over the runtime's: how many times faster the runtime is; median of
the rounds. Memory is the peak of each process, of a process that does only this; the runtime's training reuses it, as
``caffe-pylayers train`` does.
"""

import argparse
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import zoo
from engines import ROOT, Engine, answer

from caffe_pylayers import _engine

BATCHES = {"caffenet": 16, "alexnet": 16, "googlenet": 16, "resnet50": 8, "vgg16": 4}
LENETS = {
    "lenet_python": "train_test",  # the two Python layers
    "lenet_euclidean": "train_test_euclidean",
    "lenet_softmax": "train_test_softmax",
}
NETS = [*LENETS, *BATCHES]
PYTORCHS = ("PyTorch NCHW", "PyTorch channels-last")
# What is measured, each by an engine's Python.
COLUMNS = {"caffe": "caffe", "runtime": "runtime", **dict.fromkeys(PYTORCHS, "runtime")}
HEADS = (
    *("net, batch", "", "Caffe ms", "PyTorch ms", "runtime ms", "over Caffe", "over PyTorch"),
    *("Caffe MB", "PyTorch MB", "runtime MB"),
)
SECONDS = 1.0  # of one engine in one round, one iteration at least
LENET_INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: %d dim: 1 dim: 28 dim: 28 } shape { dim: %d } } }
"""
SOLVER = 'net: "{}" base_lr: 0.0001 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed" snapshot_prefix: "bench"'


def write(folder, name, batch=None):
    """The files of a net: NAME.forward and NAME.train, prototxts, and NAME.solver; ``batch``: instead of its own."""
    batch = batch or BATCHES.get(name, 64)
    if name in LENETS:
        text = (ROOT / "prototxt" / "lenet" / f"{LENETS[name]}.prototxt").read_text()
        train = deploy = LENET_INPUT % (batch, batch) + re.split(r'(?=layer \{\n  name: "conv1")', text)[1]
    else:
        train, deploy = zoo.train(name, batch), zoo.deploy(name, batch)
    Path(folder, f"{name}.forward").write_text(deploy)
    Path(folder, f"{name}.train").write_text(train)
    Path(folder, f"{name}.solver").write_text(SOLVER.format(Path(folder, f"{name}.train")))


def serve(call):
    """In a process: answer by the mean seconds of the call and the megabytes that the process has had at most."""
    call()
    for _ in sys.stdin:
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            call()
            done += 1
        seconds = (time.perf_counter() - start) / done
        answer(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def ours(name, what):
    """What is timed on a Caffe, real or the runtime."""
    import numpy as np

    caffe = _engine.caffe()
    if what == "train":
        solver = caffe.get_solver(f"{name}.solver")
        net, call = solver.net, lambda: solver.step(1)
        if _engine.on_runtime():
            solver.reuse_memory()
    else:
        net = caffe.Net(f"{name}.forward", caffe.TEST)
        call = net.forward
    net.blobs["data"].data[...] = np.random.RandomState(0).standard_normal(net.blobs["data"].data.shape)
    return call


def pytorchs(name, what, channels_last):
    """What is timed on PyTorch."""
    import eager

    net = eager.build(name, channels_last)
    batch = eager.batch(name, BATCHES.get(name, 64), channels_last)
    return (eager.training if what == "train" else eager.using)(net, *batch)


def compare(folder, name, what, rounds):
    """A row: ms of Caffe, of PyTorch and of the runtime, how many times faster the runtime is, and MB of each."""

    def serving(column):
        return Engine(COLUMNS[column], __file__, name, "--serve", what, column, cwd=folder)

    engines = {column: serving(column) for column in COLUMNS}
    found = [{column: engine.ask(what) for column, engine in engines.items()} for _ in range(rounds)]
    for engine in engines.values():
        engine.close()
    seconds = {column: statistics.median(each[column][0] for each in found) for column in COLUMNS}
    columns = ("caffe", min(PYTORCHS, key=seconds.get), "runtime")
    ratios = [statistics.median(each[other][0] / each["runtime"][0] for each in found) for other in columns[:2]]
    return [1e3 * seconds[column] for column in columns], ratios, [found[-1][column][1] for column in columns]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)}; all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.nets) - set(NETS)
    if unknown:
        parser.error(f"no net {', '.join(sorted(unknown))}; there are {', '.join(NETS)}")
    if args.serve:
        what, column = args.serve
        serve(pytorchs(*args.nets, what, column == PYTORCHS[1]) if column in PYTORCHS else ours(*args.nets, what))
        return
    print(f"\nWhole nets, {os.cpu_count()} cores, PyTorch {version('torch')}\n")
    print(f"| {' | '.join(HEADS)} |\n{'| --- ' * len(HEADS)}|")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.nets or NETS:
            write(folder, name)
            for what in ("forward", "train"):
                ms, ratios, megabytes = compare(folder, name, what, args.rounds)
                cells = [f"{name}, {BATCHES.get(name, 64)}", what]
                cells += [f"{value:.{1 if value < 100 else 0}f}" for value in ms]
                cells += [f"{value:.2f}" for value in ratios] + [f"{value:.0f}" for value in megabytes]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

"""Whole nets on the runtime beside real Caffe: iterations as a user runs them, side by side in one run, as ratios.

    python benchmarks/nets.py [NET ...] [--rounds N]

Each engine runs in a process of its own, on the same cores, and they take turns. Input blobs stand for the
data, so that only the net is timed. forward: the net to use, in the TEST phase. train: forward, backward and
update, ``solver.step(1)``. A ratio is real Caffe's time over the runtime's: how many times faster the runtime
is; median of the rounds. Memory is the peak of each process, of a process that trains only this net.
"""

import argparse
import os
import re
import resource
import statistics
import sys
import tempfile
import time
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
SECONDS = 1.0  # of one engine in one round, one iteration at least
LENET_INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 64 dim: 1 dim: 28 dim: 28 } shape { dim: 64 } } }
"""
SOLVER = 'net: "{}" base_lr: 0.0001 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed" snapshot_prefix: "bench"'


def write(folder, name):
    """The files of a net: NAME.forward and NAME.train, prototxts, and NAME.solver."""
    if name in LENETS:
        text = (ROOT / "prototxt" / "lenet" / f"{LENETS[name]}.prototxt").read_text()
        train = deploy = LENET_INPUT + re.split(r'(?=layer \{\n  name: "conv1")', text)[1]
    else:
        train, deploy = zoo.train(name, BATCHES[name]), zoo.deploy(name, BATCHES[name])
    Path(folder, f"{name}.forward").write_text(deploy)
    Path(folder, f"{name}.train").write_text(train)
    Path(folder, f"{name}.solver").write_text(SOLVER.format(f"{name}.train"))


def serve(name):
    """In an engine's process: seconds of what is asked for, "forward" or "train", and the megabytes had at most."""
    import numpy as np

    caffe = _engine.caffe()
    rng, calls = np.random.RandomState(0), {}
    for what in map(str.strip, sys.stdin):
        if what not in calls:
            if what == "train":
                solver = caffe.get_solver(f"{name}.solver")
                net, calls[what] = solver.net, lambda step=solver.step: step(1)
            else:
                net = caffe.Net(f"{name}.forward", caffe.TEST)
                calls[what] = net.forward
            net.blobs["data"].data[...] = rng.standard_normal(net.blobs["data"].data.shape)
            calls[what]()
        call, done, start = calls[what], 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            call()
            done += 1
        seconds = (time.perf_counter() - start) / done
        answer(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def compare(folder, name, what, rounds):
    """A row: Caffe's and the runtime's ms and MB, and how many times faster the runtime is."""
    engines = [Engine(engine, __file__, "--serve", name, cwd=folder) for engine in ("caffe", "runtime")]
    found = [[engine.ask(what) for engine in engines] for _ in range(rounds)]
    for engine in engines:
        engine.close()
    seconds = [statistics.median(pair[i][0] for pair in found) * 1e3 for i in (0, 1)]
    ratio = statistics.median(caffe[0] / runtime[0] for caffe, runtime in found)
    return (*seconds, ratio, found[-1][0][1], found[-1][1][1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)}; all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.nets) - set(NETS)
    if unknown:
        parser.error(f"no net {', '.join(sorted(unknown))}; there are {', '.join(NETS)}")
    if args.serve:
        serve(args.serve)
        return
    print(f"\nWhole nets, {os.cpu_count()} cores")
    print(
        f"  {'':18}{'batch':>6}{'':9}{'Caffe ms':>10}{'runtime ms':>12}{'ratio':>8}{'Caffe MB':>11}{'runtime MB':>12}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in args.nets or NETS:
            write(folder, name)
            for what in ("forward", "train"):
                theirs, ours, ratio, their_mb, our_mb = compare(folder, name, what, args.rounds)
                print(
                    f"  {name:18}{BATCHES.get(name, 64):6} {what:8}{theirs:10.1f}{ours:12.1f}{ratio:7.2f}x"
                    f"{their_mb:11.0f}{our_mb:12.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

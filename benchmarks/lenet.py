"""LeNet on the runtime beside real Caffe: whole iterations, side by side in one run, as ratios.

Both engines run in processes of their own, on the same cores, and take turns. Input blobs stand
for the data, so that only the net is timed. A ratio is real Caffe's time over the runtime's: how
many times faster the runtime is; median of the rounds.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from caffe_pylayers import _engine

ROUNDS = 9
ITERATIONS = {"forward": 20, "train": 20}
NETS = {
    "two Python layers": "train_test",
    "EuclideanLoss": "train_test_euclidean",
    "SoftmaxWithLoss": "train_test_softmax",
}
INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 64 dim: 1 dim: 28 dim: 28 } shape { dim: 64 } } }
"""
SOLVER = 'net: "{}" base_lr: 0.001 momentum: 0.9 weight_decay: 0.0005 lr_policy: "fixed" snapshot_prefix: "lenet"'


def serve(folder):
    """In an engine's process: time what standard input asks for, "NET forward|train"."""
    solvers = {}
    for line in sys.stdin:
        name, what = line.split()
        if name not in solvers:
            solvers[name] = _engine.caffe().get_solver(str(Path(folder, f"{name}.solver")))
            solvers[name].net.blobs["data"].data[...] = 0.5
        solver = solvers[name]
        call = solver.net.forward if what == "forward" else lambda step=solver.step: step(1)
        call()
        start = time.perf_counter()
        for _ in range(ITERATIONS[what]):
            call()
        print("seconds", (time.perf_counter() - start) / ITERATIONS[what], flush=True)


class Engine:
    """A process that serves."""

    def __init__(self, python, engine, folder):
        env = dict(os.environ, CAFFE_PYLAYERS_ENGINE=engine, GLOG_minloglevel="2", PYTHONPATH=str(ROOT))
        command = [str(python), __file__, "serve", folder]
        self._process = subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def time(self, name, what):
        print(name, what, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("seconds"):
                return float(line.split()[1])
        raise RuntimeError("the engine has ended")

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name in NETS.values():
            text = (ROOT / "prototxt" / "lenet" / f"{name}.prototxt").read_text()
            Path(folder, f"{name}.prototxt").write_text(INPUT + re.split(r'(?=layer \{\n  name: "conv1")', text)[1])
            Path(folder, f"{name}.solver").write_text(SOLVER.format(f"{name}.prototxt"))
        caffe = Engine(ROOT / ".caffe" / "bin" / "python", "caffe", folder)
        runtime = Engine(sys.executable, "runtime", folder)
        print(f"\nLeNet, batch 64, {os.cpu_count()} cores: ms on real Caffe, on the runtime, ratio")
        for title, name in NETS.items():
            for what in ITERATIONS:
                pairs = [(caffe.time(name, what), runtime.time(name, what)) for _ in range(ROUNDS)]
                theirs, ours = (statistics.median(times) * 1e3 for times in zip(*pairs))
                ratio = statistics.median(a / b for a, b in pairs)
                print(f"  {title:20}{what:8}{theirs:8.1f}{ours:8.1f}{ratio:8.2f}x")
        caffe.close()
        runtime.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        main()

"""Training by several processes, as scripts do it with caffe.NCCL."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffe_pylayers import pycaffe
from tests.runtime.parallel.forked import outcomes
from tests.runtime.parallel.several import solve

SCRIPT = Path(__file__).with_name("several.py")
TIMED = Path(__file__).with_name("timed.py")
NET = """
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "data.txt" batch_size: %d } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" inner_product_param { num_output: 5
  weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" %s inner_product_param { num_output: 3
  weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""


def written(folder, name, batch, solver="", param=""):
    (folder / f"{name}.prototxt").write_text(NET % (batch, param))
    rule = 'base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.001 random_seed: 1 snapshot_prefix: "x"'
    (folder / f"{name}_solver.prototxt").write_text(f'net: "{name}.prototxt" {rule} {solver}')
    return f"{name}_solver.prototxt"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.RandomState(0)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["data"] = rng.standard_normal((24, 4)).astype(np.float32)
        file["label"] = (np.arange(24) % 3).astype(np.float32)
    (tmp_path / "data.txt").write_text("data.h5\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def by_script(path, out):
    command = [sys.executable, str(SCRIPT), path, "2", "6", out]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (said.returncode, said.stderr) == (0, "")


def forked(path, out):
    assert outcomes(2, lambda uid, rank: solve(path, 2, 6, out, uid, rank)) == [None, None]


@pytest.mark.parametrize(
    ("train", "solver", "param"),
    [
        (by_script, "", ""),
        (forked, "layer_wise_reduce: false", ""),
        (forked, "iter_size: 2 clip_gradients: 0.5", "param { lr_mult: 0 }"),
    ],
)
def test_two_processes_are_one_with_twice_the_batch(folder, train, solver, param):
    train(written(folder, "two", 4, solver, param), "two.caffemodel")
    assert_equal_to_one_process(written(folder, "one", 8, solver, param), "two.caffemodel")


def assert_equal_to_one_process(solver, model):
    one = pycaffe.SGDSolver(solver)
    one.step(6)
    together = pycaffe.Net("two.prototxt", pycaffe.TRAIN, weights=model)
    for name, blobs in one.net.params.items():
        for ours, theirs in zip(blobs, together.params[name]):
            np.testing.assert_allclose(theirs.data, ours.data, rtol=1e-5, atol=1e-6)


def test_a_script_with_timers_whose_processes_are_spawned(folder):
    two = written(folder, "two", 4, "max_iter: 6")
    command = [sys.executable, str(TIMED), two, "two"]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    assert_equal_to_one_process(written(folder, "one", 8), "two.caffemodel")
    times = json.loads((folder / "two.json").read_text())
    assert [len(times[name]) for name in ("forward", "backward", "total", "reducing")] == [5, 5, 1, 1]
    assert min(min(found) for found in times.values()) >= 0
    assert sum(times["forward"]) + sum(times["backward"]) <= times["total"][0]

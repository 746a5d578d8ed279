"""Data layers with worker processes in the `caffe` program, which ends without Python's handlers."""

import json
import os
import time

import numpy as np
import pytest

pytestmark = pytest.mark.caffe

NET = """
layer { name: "data" type: "Python" top: "data" top: "label"
        python_param { module: "caffe_pylayers.table_data" layer: "NPZData" param_str: '%s' } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def processes(word):
    """The processes that have the word in their command, which those that they fork have, too."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                found += [pid] if word in file.read() else []
        except OSError:
            pass
    return found


def test_the_program_trains_and_leaves_nothing(tmp_path, caffe_program):
    labels = np.arange(40) % 2
    np.savez(tmp_path / "data.npz", x=np.eye(2)[labels], y=labels)
    options = {"source": str(tmp_path / "data.npz"), "arrays": ["x", "y"], "batch_size": 8, "workers": 2}
    (tmp_path / "net.prototxt").write_text(NET % json.dumps(dict(options, worker_type="process")))
    solver = tmp_path / "solver.prototxt"
    solver.write_text(
        f'net: "{tmp_path}/net.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 50 snapshot_prefix: "{tmp_path}/s"'
    )
    done = caffe_program("train", "-solver", solver)
    assert done.returncode == 0, done.stdout
    assert "Optimization Done" in done.stdout
    end = time.monotonic() + 10
    while processes(str(tmp_path)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not processes(str(tmp_path))

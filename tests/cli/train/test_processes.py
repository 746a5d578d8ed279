"""Training by several processes, each a solver with its share of the data."""

import os

import numpy as np
import pytest

from caffe_pylayers import _engine

pytestmark = pytest.mark.skipif(not _engine.on_runtime(), reason="processes train together on the runtime")


def same_training(project, here, there):
    rows, others = project.rows(here / "log.csv"), project.rows(there / "log.csv")
    for row, other in zip(rows, others, strict=True):
        assert row.keys() == other.keys()
        for name in row.keys() - {"seconds"}:
            assert float(row[name] or 0) == pytest.approx(float(other[name] or 0), abs=1e-5), name
    mine, theirs = (project.weights(out / "final.caffemodel") for out in (here, there))
    for layer, values in mine.items():
        np.testing.assert_allclose(theirs[layer], values, rtol=1e-5, atol=1e-6)


def test_two_are_one_with_twice_the_batch(project):
    code, out, err = project.run("--processes", 2, cwd=project.root)
    assert (code, err) == (0, "")
    assert out.count("on 2 CPU processes") == out.count("iteration 12/12") == out.count("model ") == 1
    two = project.out.rename(project.root / "two")
    net = project.root / "nets" / "net.prototxt"
    net.write_text(net.read_text().replace("batch_size: 4", "batch_size: 8", 1))
    project.train()
    same_training(project, two, project.out)


def test_options(project):
    assert project.run("--processes", 0, cwd=project.root)[2].endswith("--processes takes a number from 1; is 0\n")
    said = project.run("--processes", 3, "--gpu", "0,1", cwd=project.root)[2]
    assert said.endswith("--processes 3 is another number than that of the GPUs, 2: leave it out\n")
    from caffe_pylayers.runtime.memory import device

    if not device.count():
        code, _, err = project.run("--gpu", "all", cwd=project.root)
        assert (code, err) == (1, "train.py: --gpu all: this PyTorch sees no GPU; --cpu trains on the CPU\n")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "--processes 4 is another number than the 2 that were started on this machine: leave it out"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE=two is not a number"),
        ({"RANK": "5"}, "RANK=5 is not below WORLD_SIZE=4"),
    ],
)
def test_options_beside_a_launcher(project, variables, told):
    started = {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    environment = {**os.environ, **started, **variables}
    code, _, err = project.run("--processes", 4, cwd=project.root, env=environment)
    assert (code, err) == (1, f"train.py: {told}\n")

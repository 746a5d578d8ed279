"""Training by several processes, each a solver with its share of the data."""

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

"""Well-known nets whole, on the runtime and on real Caffe: every blob and every gradient, to train and to use."""

import importlib.util
import os
import re
import subprocess

import numpy as np
import pytest

from tests.parity.families import ROOT, caffe_python

pycaffe = pytest.importorskip("caffe_pylayers.pycaffe")

SPEC = importlib.util.spec_from_file_location("zoo", ROOT / "benchmarks" / "zoo.py")
zoo = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(zoo)

BATCH = 2

# The largest error of a blob's values and of a gradient, relative to it as a whole. Gradients are less alike than
# values: where rounding decides whether a rectifier passes or which of two values is the maximum, a gradient goes
# another way. ResNet's depth enlarges rounding: Caffe itself is 1e-4 off what float64 gives, and hundreds of signs
# differ.
TOLERANCES = {"resnet50": (1e-3, 1e-1)}
USUAL = (1e-5, 2e-2)


@pytest.fixture(params=zoo.SIZES)
def recorded(request, tmp_path):
    python = caffe_python()
    if python is None:
        assert "CI" not in os.environ, "no real Caffe to compare with"
        pytest.skip("no real Caffe; `make caffe` installs one")
    path = tmp_path / f"{request.param}.prototxt"
    # Without dropout: the engines do not drop the same values.
    path.write_text(re.sub(r"dropout_ratio: [0-9.]+", "dropout_ratio: 0", zoo.train(request.param, BATCH)))
    path.with_suffix(".deploy").write_text(zoo.deploy(request.param, BATCH))
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    subprocess.run([python, ROOT / "tests" / "parity" / "record_net.py", tmp_path], env=env, check=True)
    return path


def compare(found, expected, tolerance, what):
    error = np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30)
    assert error <= tolerance, f"{what} is {error:.1e} off"


def test_every_blob_and_gradient(recorded):
    values, gradients = TOLERANCES.get(recorded.stem, USUAL)
    expected = np.load(recorded.with_suffix(".npz"))
    net = pycaffe.Net(recorded, pycaffe.TRAIN, weights=recorded.with_suffix(".caffemodel"))
    net.clear_param_diffs()
    net.forward(**{name: expected[f"input/{name}"] for name in net.inputs})
    net.backward()
    for name, blob in net.blobs.items():
        compare(blob.data, expected[f"data/{name}"], values, f"data of {name}")
        compare(blob.diff, expected[f"diff/{name}"], gradients, f"diff of {name}")
    for layer, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            compare(blob.diff, expected[f"param/{layer}/{i}"], gradients, f"diff of {layer}[{i}]")

    expected = np.load(recorded.with_suffix(".deploy.npz"))
    weights = recorded.with_suffix(".deploy.caffemodel")
    net = pycaffe.Net(recorded.with_suffix(".deploy"), pycaffe.TEST, weights=weights)
    net.forward(**{name: expected[f"input/{name}"] for name in net.inputs})
    for name, blob in net.blobs.items():
        compare(blob.data, expected[f"data/{name}"], values, f"data of {name}")

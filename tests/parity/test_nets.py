"""Whole nets on the runtime and on real Caffe: every blob, every gradient."""

import os
import subprocess

import numpy as np
import pytest

from tests.parity.families import ROOT, caffe_python

pycaffe = pytest.importorskip("caffe_pylayers.pycaffe")

LENET = (ROOT / "prototxt" / "lenet" / "train_test.prototxt").read_text()
EUCLIDEAN = (ROOT / "prototxt" / "lenet" / "train_test_euclidean.prototxt").read_text()
SOFTMAX = (ROOT / "prototxt" / "lenet" / "train_test_softmax.prototxt").read_text()
INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label" include { phase: TRAIN }
        input_param { shape { dim: 6 dim: 1 dim: 28 dim: 28 } shape { dim: 6 } } }
"""


def with_input(text):
    """A template's net, on Input blobs instead of its databases."""
    return INPUT + text[text.index('layer {\n  name: "conv1"') :]


def ip(name, bottom, outputs=3, extra=""):
    filler = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" }'
    return f"""layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {extra}
        inner_product_param {{ num_output: {outputs} {filler} }} }}\n"""


def net(body, shape="dim: 4 dim: 5", head=""):
    return f"""{head}
layer {{ name: "in" type: "Input" top: "data" top: "label" input_param {{ shape {{ {shape} }} shape {{ dim: 4 }} }} }}
{body}"""


LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "loss" loss_weight: 3.7 }\n'

NETS = {
    "lenet": with_input(LENET),
    "lenet_euclidean": with_input(EUCLIDEAN),
    "lenet_softmax": with_input(SOFTMAX),
    "shared": net(
        ip("a", "data", 5, 'param { name: "w" } param { name: "b" lr_mult: 2 }')
        + ip("c", "a", 5, 'param { name: "w" } param { name: "b" }')
        + LOSS % "c"
    ),
    "in_place": net(
        ip("a", "data") + 'layer { name: "r" type: "ReLU" bottom: "a" top: "a" }\n' + ip("c", "a") + LOSS % "c"
    ),
    "images_in_place": net(
        "".join(
            f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "a" convolution_param {{ '
            'num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.1 } } }\n'
            for name, bottom in (("a", "data"), ("b", "a"))
        )
        + 'layer { name: "r" type: "ReLU" bottom: "a" top: "a" }\n'
        + ip("c", "a")
        + LOSS % "c",
        shape="dim: 4 dim: 3 dim: 6 dim: 5",
    ),
    "branches": net(
        ip("a", "data")
        + ip("b", "a")
        + ip("c", "a")
        + 'layer { name: "sum" type: "Eltwise" bottom: "b" bottom: "c" bottom: "a" top: "sum" }\n'
        + LOSS % "sum"
        + 'layer { name: "l2" type: "EuclideanLoss" bottom: "b" bottom: "c" top: "l2" loss_weight: 0.5 }\n'
    ),
    "frozen": net(ip("a", "data", extra="param { lr_mult: 0 } param { lr_mult: 0 }") + ip("c", "a") + LOSS % "c"),
    "forced": net(
        ip("a", "data", extra="param { lr_mult: 0 } param { lr_mult: 0 }") + LOSS % "a", head="force_backward: true"
    ),
    "stopped": net(
        ip("a", "data")
        + ip("b", "a", extra="propagate_down: false")
        + ip("c", "a")
        + 'layer { name: "sum" type: "Eltwise" bottom: "b" bottom: "c" top: "sum" }\n'
        + LOSS % "sum"
    ),
    "two_losses": net(
        ip("a", "data")
        + LOSS % "a"
        + 'layer { name: "red" type: "Reduction" bottom: "a" top: "red" loss_weight: -2 }\n'
    ),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    python = caffe_python()
    if python is None:
        assert "CI" not in os.environ, "no real Caffe to compare with"
        pytest.skip("no real Caffe; `make caffe` installs one")
    folder = tmp_path_factory.mktemp("nets")
    for name, text in NETS.items():
        (folder / f"{name}.prototxt").write_text(text)
    env = dict(os.environ, PYTHONPATH=str(ROOT), OPENBLAS_NUM_THREADS="1")
    subprocess.run([python, ROOT / "tests" / "parity" / "record_net.py", folder], env=env, check=True)
    return folder


@pytest.mark.parametrize("name", NETS)
def test_every_blob_and_gradient(recorded, name):
    expected = np.load(recorded / f"{name}.npz")
    net = pycaffe.Net(recorded / f"{name}.prototxt", pycaffe.TRAIN, weights=recorded / f"{name}.caffemodel")
    assert list(expected["layers"]) == net._layer_names
    assert list(expected["outputs"]) == net.outputs
    inputs = {blob: expected[f"input/{blob}"] for blob in net.inputs}
    net.clear_param_diffs()
    net.forward(**inputs)
    net.backward()
    assert {key[5:] for key in expected if key.startswith("data/")} == set(net.blobs)
    for blob, ours in net.blobs.items():
        for kind in ("data", "diff"):
            theirs = expected[f"{kind}/{blob}"]
            scale = np.abs(theirs).max() if theirs.size else 0
            np.testing.assert_allclose(
                getattr(ours, kind), theirs, rtol=1e-4, atol=1e-4 * scale + 1e-7, err_msg=f"{kind} of {blob}"
            )
    for layer, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            theirs = expected[f"param/{layer}/{i}"]
            np.testing.assert_allclose(
                blob.diff, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max() + 1e-7, err_msg=f"diff of {layer}[{i}]"
            )

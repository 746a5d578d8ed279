"""Convolution by columns, for a batch of one and many weights, gives what the kernels give."""

import numpy as np
import pytest

pycaffe = pytest.importorskip("caffe_pylayers.pycaffe")
convolution = pytest.importorskip("caffe_pylayers.runtime.layers.convolution")

Columns = convolution.ColumnConvolution
NET = """
force_backward: true
layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 4 dim: 9 dim: 7 }} }} }}
layer {{ name: "conv" type: "{kind}" bottom: "x" top: "y" convolution_param {{ num_output: 6 {param}
        weight_filler {{ type: "gaussian" }} bias_filler {{ type: "gaussian" }} }} }}
layer {{ name: "loss" type: "Reduction" bottom: "y" top: "loss" loss_weight: 1 reduction_param {{ operation: SUMSQ }} }}
"""


def results(tmp_path, text, phase):
    pycaffe.set_random_seed(1)
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    net = pycaffe.Net(path, phase)
    net.blobs["x"].data[...] = np.random.default_rng(0).standard_normal((1, 4, 9, 7))
    net.forward()
    net.backward()
    learned = net.params["conv"]
    return [net.blobs["y"].data, net.blobs["x"].diff, *(blob.diff for blob in learned)]


@pytest.mark.parametrize("phase", [pycaffe.TRAIN, pycaffe.TEST])
@pytest.mark.parametrize(
    "param", ["kernel_size: 3", "kernel_size: 1", "kernel_size: 3 pad: 2 stride: 2 dilation: 2 group: 2"]
)
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_columns(tmp_path, monkeypatch, kind, param, phase):
    text = NET.format(kind=kind, param=param)
    wanted = results(tmp_path, text, phase)
    monkeypatch.setattr(convolution, "MANY_WEIGHTS", 1)
    made = []
    monkeypatch.setattr(convolution, "ColumnConvolution", lambda *args: made.append(Columns(*args)) or made[-1])
    for value, other in zip(results(tmp_path, text, phase), wanted):
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-4)
    assert made

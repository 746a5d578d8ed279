"""Convolution by columns, for many weights or extreme windows, gives what PyTorch's kernels give."""

import numpy as np
import pytest

pycaffe = pytest.importorskip("caffe_pylayers.pycaffe")
convolution = pytest.importorskip("caffe_pylayers.runtime.layers.convolution")

from caffe_pylayers.runtime.layers.layer import LayerError  # noqa: E402
from tests.runtime.layers.one_layer import one_layer  # noqa: E402

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


@pytest.mark.parametrize("stride", [16384, 65536, 2**31 - 1])
def test_strides_that_no_kernel_takes(stride):
    """Positions far apart, and a single one, are computed right."""
    length = min(stride, 65536) + 3
    param = (
        f"convolution_param {{ num_output: 1 kernel_size: 2 stride: {stride} weight_filler {{ type: 'gaussian' }} }}"
    )
    layer, (x,), (y,) = one_layer("Convolution", param, (1, 1, length))
    positions = [0] if stride > length else [0, stride]
    values = np.random.RandomState(0).standard_normal(length).astype(np.float32)
    x.data[0, 0] = values
    layer.forward([x], [y])
    weight = layer.blobs[0].data[0, 0]
    np.testing.assert_allclose(y.data[0, 0], [values[at : at + 2] @ weight for at in positions], rtol=1e-5)
    y.diff[...] = 2
    layer.backward([y], [True], [x])
    wanted = np.zeros(length)
    for at in positions:
        wanted[at : at + 2] = 2 * weight
    np.testing.assert_allclose(x.diff[0, 0], wanted, rtol=1e-6)
    np.testing.assert_allclose(layer.blobs[0].diff[0, 0], 2 * sum(values[at : at + 2] for at in positions), rtol=1e-5)


def test_deconvolution_with_a_stride_that_no_kernel_takes():
    param = "convolution_param { num_output: 1 kernel_size: 2 stride: 30000 weight_filler { type: 'gaussian' } }"
    layer, (x,), (y,) = one_layer("Deconvolution", param, (1, 1, 3))
    x.data[0, 0] = [1, 2, 3]
    layer.forward([x], [y])
    wanted, weight = np.zeros(60002), layer.blobs[0].data[0, 0]
    for i in range(3):
        wanted[30000 * i : 30000 * i + 2] = (i + 1) * weight
    np.testing.assert_allclose(y.data[0, 0], wanted, rtol=1e-6)


def test_a_large_kernel_of_few_positions():
    """Its gradient is added up position by position."""
    param = "convolution_param { num_output: 1 kernel_size: 5000 weight_filler { type: 'gaussian' } }"
    layer, (x,), (y,) = one_layer("Convolution", param, (1, 1, 5001))
    x.data[...] = 1
    layer.forward([x], [y])
    y.diff[0, 0] = [1, 2]
    layer.backward([y], [True], [x])
    weight = layer.blobs[0].data[0, 0]
    np.testing.assert_allclose(x.diff[0, 0], np.convolve(weight, [1, 2]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "param"),
    [("stride", "stride: 4294967295"), ("dilation", "dilation: 4294967295"), ("pad", "pad: 2147483648")],
)
def test_sizes_beyond_an_int_are_refused(kind, param):
    with pytest.raises(LayerError, match=f'layer "l" .*{kind} must be'):
        one_layer("Convolution", f"convolution_param {{ num_output: 1 kernel_size: 2 {param} }}", (1, 1, 4, 4))

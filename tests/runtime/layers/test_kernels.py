"""PyTorch's undocumented kernels, and the documented functions that stand in for them: the same numbers."""

import pytest
import torch

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.layers import _kernels
from caffe_pylayers.runtime.net.net import Net

WINDOW = ((3, 2), (2, 1), (1, 0))
GEOMETRY = ([2, 1], [1, 0], [1, 2], False, [0, 0], 2)
TRANSPOSED = ([2, 1], [1, 0], [1, 2], True, [0, 0], 2)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def drawn(*shape, layout=torch.contiguous_format):
    made = torch.randn(shape)
    return made.contiguous(memory_format=layout) if len(shape) == 4 else made


def written(function, *arguments, like):
    """What a function writes into its last argument, a tensor laid out as another."""
    out = torch.empty_like(like)
    function(*arguments, out)
    return [out]


def activations(layout):
    x, d_y = drawn(2, 4, 5, 6, layout=layout), drawn(2, 4, 5, 6, layout=layout)
    y = torch.rand_like(x)
    for name, arguments in {
        "relu_backward": (d_y, x),
        "leaky_relu": (x, 0.1),
        "leaky_relu_backward": (d_y, x, 0.1),
        "elu": (x, 0.7),
        "elu_backward": (d_y, x, 0.7),
        "sigmoid_backward": (d_y, y),
        "tanh_backward": (d_y, y),
        "softplus": (x * 20,),
        "softplus_backward": (d_y, x * 20),
    }.items():
        yield written(getattr(_kernels, name), *arguments, like=x)


def pools(layout):
    x = drawn(2, 4, 8, 7, layout=layout)
    for ceil in (False, True):
        y = torch.nn.functional.max_pool2d(x, *WINDOW, ceil_mode=ceil)
        d_y, indices = torch.randn_like(y), torch.empty_like(y, dtype=torch.int64)
        values = torch.empty_like(y)
        _kernels.max_pool(x, WINDOW, ceil, values, indices)
        yield [values, indices]
        yield written(_kernels.max_pool_backward, d_y, x, WINDOW, ceil, indices, like=x)
        yield written(_kernels.average_pool, x, WINDOW, ceil, like=y)
        for divisor in (None, 1):
            yield written(_kernels.average_pool_backward, d_y, x, WINDOW, ceil, divisor, like=x)


def convolutions(layout):
    for geometry in (GEOMETRY, TRANSPOSED):
        x, weight = drawn(3, 4, 9, 8, layout=layout), drawn(4, 2, 3, 2, layout=layout)
        y = _kernels.convolution(x, weight, torch.zeros(4), geometry)
        for wanted in ([True] * 3, [True, False, False], [False, True, False], [False, False, True]):
            found = _kernels.convolution_backward(torch.ones_like(y), x, weight, geometry, wanted)
            yield [gradient for gradient, flag in zip(found, wanted, strict=True) if flag]


def normalizations(layout):
    x, d_y = drawn(3, 4, 5, 6, layout=layout), drawn(3, 4, 5, 6, layout=layout)
    for weight, bias in ((None, None), (drawn(4), drawn(4))):
        y, (mean, factor, variance) = torch.empty_like(x), torch.empty(3, 4)
        _kernels.batch_norm(x, weight, bias, 1e-5, y, mean, factor, variance)
        yield [y, mean, factor, variance]
        wanted = [True] if weight is None else [True] * 3
        yield list(_kernels.batch_norm_backward(d_y, x, weight, mean, factor, 1e-5, wanted))[: len(wanted)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("family", [activations, pools, convolutions, normalizations])
def test_without_the_kernels(monkeypatch, family, layout):
    wanted = list(family(layout))
    torch.manual_seed(0)
    monkeypatch.setattr(_kernels, "kernel", lambda name: None)
    found = list(family(layout))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("slope", [0, 0.1, -0.5])
def test_activations_in_place(monkeypatch, slope):
    """A layer in place has y in x's memory, and d_x in d_y's."""
    for found in ({}, {"kernel": lambda name: None}):
        for name, function in found.items():
            monkeypatch.setattr(_kernels, name, function)
        x, d_y = torch.tensor([-2.0, 0, 3]), torch.tensor([1.0, 1, 1])
        _kernels.leaky_relu(x, slope, x)
        assert x.tolist() == pytest.approx([-2 * slope, 0, 3])
        _kernels.relu_backward(d_y, x, d_y)
        assert d_y.tolist() == [float(x[0] > 0), 0, 1]


def test_a_name_that_pytorch_lacks():
    assert _kernels.kernel("aten.no_such_kernel.out") is None
    assert _kernels.kernel("mkldnn._no_such_kernel") is None


NET = """
    force_backward: true
    layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 9 } } }
    layer { name: "c" type: "Convolution" bottom: "x" top: "y" convolution_param {
        num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
    layer { name: "b" type: "BatchNorm" bottom: "y" top: "y" }
    layer { name: "s" type: "Scale" bottom: "y" top: "y" scale_param { bias_term: true } }
    layer { name: "r" type: "ReLU" bottom: "y" top: "y" }
    layer { name: "p" type: "Pooling" bottom: "y" top: "p" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
    layer { name: "ip" type: "InnerProduct" bottom: "p" top: "z" inner_product_param {
        num_output: 5 weight_filler { type: "xavier" } } }
"""


@pytest.mark.parametrize("phase", [0, 1])
def test_a_net_without_the_kernels(tmp_path, monkeypatch, phase):
    """Its fused units, too, and in the TEST phase its packed weights."""
    (tmp_path / "net.prototxt").write_text(NET)
    arrays = []
    for _ in range(2):
        rng.seed(1)
        net = Net(str(tmp_path / "net.prototxt"), phase)
        net.blobs["x"].data[...] = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(1)).numpy()
        net.forward()
        net.blobs["z"].diff[...] = 1
        net.backward()
        learned = [blob.diff for blobs in net.params.values() for blob in blobs]
        arrays.append([net.blobs["z"].data, net.blobs["x"].diff, *learned])
        monkeypatch.setattr(_kernels, "kernel", lambda name: None)
    for ours, theirs in zip(*arrays, strict=True):
        torch.testing.assert_close(torch.from_numpy(ours), torch.from_numpy(theirs), rtol=1e-4, atol=1e-5)


def test_no_graph_is_recorded(monkeypatch):
    x = torch.ones(2, requires_grad=True)
    with _kernels.without_graphs()():
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    monkeypatch.setattr(_kernels, "kernel", lambda name: None)
    with _kernels.without_graphs()():  # where autograd stands in for kernels
        assert (x * 2).requires_grad

"""MaxUnpool beside PyTorch's max_unpool2d and behind Caffe's own Pooling; sizes; what is refused."""

import json

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.testing import LayerRun
from caffe_pylayers.unpooling import MaxUnpool

rng = np.random.RandomState(3)


def run(*bottoms, **parameters):
    return LayerRun(MaxUnpool, bottoms, param_str=json.dumps(parameters))


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2)])
def test_it_is_max_unpool2d(kernel, stride):
    torch = pytest.importorskip("torch")
    pooled, index = torch.nn.functional.max_pool2d(
        torch.tensor(rng.standard_normal((2, 3, 7, 9))), kernel, stride, return_indices=True
    )
    maps, d = torch.randn(pooled.shape, dtype=torch.float64, requires_grad=True), rng.standard_normal((2, 3, 7, 9))
    wanted = torch.nn.functional.max_unpool2d(maps, index, kernel, stride, output_size=(7, 9))
    wanted.backward(torch.tensor(d))
    layer = run(maps.detach().numpy(), index.numpy(), size=[7, 9], legacy_gradient=True)
    np.testing.assert_array_equal(layer.forward()[0], wanted.detach())
    np.testing.assert_array_equal(layer.backward([d])[0], maps.grad)


@pytest.mark.parametrize("legacy", [True, False])
def test_two_values_at_one_place(legacy):
    layer = run([[[[1.0, 2.0, 3.0]]]], [[[[4, 0, 4]]]], legacy_gradient=legacy)
    assert layer.forward()[0].ravel().tolist() == [2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]
    d = np.arange(1.0, 13).reshape(1, 1, 2, 6)
    assert layer.backward([d])[0].ravel().tolist() == [5 if legacy else 0, 1, 5]


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({}, (8, 10)),
        ({"zoom_factor": [3]}, (12, 15)),
        ({"zoom_factor": [2, 3]}, (8, 15)),
        ({"pad_out_h": True}, (7, 10)),
        ({"pad_out_w": True}, (8, 9)),
        ({"size": [9, 11]}, (9, 11)),
    ],
)
def test_sizes(parameters, size):
    assert run(np.zeros((2, 1, 4, 5)), np.zeros((2, 1, 4, 5)), **parameters).top[0].data.shape == (2, 1, *size)


def test_it_undoes_caffes_pooling(tmp_path):
    caffe = _engine.caffe()
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 7 dim: 5 } } } '
        'layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask" '
        "pooling_param { pool: MAX kernel_size: 2 stride: 2 } } "
        'layer { name: "up" type: "Python" bottom: "pool" bottom: "mask" bottom: "data" top: "up" '
        'python_param { module: "caffe_pylayers.unpooling" layer: "MaxUnpool" } }'
    )
    net = caffe.Net(str(path), caffe.TEST)
    data = rng.standard_normal((2, 3, 7, 5)).astype(np.float32)
    net.blobs["data"].data[...] = data
    up = net.forward()["up"]
    kept = up != 0
    assert kept.sum() == net.blobs["pool"].count
    np.testing.assert_array_equal(up[kept], data[kept])


@pytest.mark.parametrize(
    ("bottoms", "parameters", "message"),
    [
        ([np.zeros((1, 1, 1, 2)), np.zeros((1, 1, 2, 1))], {}, r"bottom\[1\] \(mask\) must have the shape of"),
        ([np.zeros((1, 2)), np.zeros((1, 2))], {}, r"must have shape \(N, ..., h, w\), got \(1, 2\)"),
        (
            [np.zeros((1, 1, 1, 1)), np.full((1, 1, 1, 1), 4)],
            {},
            r"must lie in \[0, 3\], got 4 at index \(0, 0, 0, 0\)",
        ),
        ([np.zeros((1, 1, 1, 1)), np.full((1, 1, 1, 1), -1)], {}, r"must lie in \[0, 3\], got -1 at index"),
        ([np.zeros((1, 1, 1, 1)), np.full((1, 1, 1, 1), np.nan)], {}, r"must lie in \[0, 3\], got nan at index"),
        ([np.zeros((1, 1, 1, 1))] * 3, {"size": [2, 2]}, r"takes either bottom\[2\] \(reference\) or the parameter"),
        ([np.zeros((1, 1, 1, 1))] * 2, {"zoom_factor": [1], "pad_out_h": True}, r"cannot be put into maps of \(0, 1\)"),
    ],
)
def test_what_is_refused(bottoms, parameters, message):
    with pytest.raises(ValueError, match=f"^MaxUnpool: .*{message}"):
        run(*bottoms, **parameters).forward()

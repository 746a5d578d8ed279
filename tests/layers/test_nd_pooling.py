"""NdPooling: PyTorch's numbers, Caffe's own Pooling on maps, and what it refuses."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers._layer.functions import fused
from caffe_pylayers._layer.functions.windows import Window
from caffe_pylayers.nd_pooling import NdPooling, max_pool_backward, max_pool_forward
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(8)
VIDEO = np.maximum(rng.standard_normal((2, 3, 5, 7, 6)), 0)  # zeros as ReLU leaves them: ties


@pytest.mark.parametrize("pool", ["max", "ave"])
@pytest.mark.parametrize(
    ("kernel", "stride", "pad"),
    [
        ((2, 2, 2), (2, 2, 2), (0, 0, 0)),
        ((1, 2, 2), (1, 2, 2), (0, 0, 0)),
        ((3, 3, 2), (1, 2, 2), (1, 1, 0)),
        ((2, 3, 3), (2, 2, 2), (0, 0, 1)),
    ],
)
def test_pytorchs_pooling(pool, kernel, stride, pad):
    torch = pytest.importorskip("torch")
    text = f"{{pool: {pool}, kernel_size: {list(kernel)}, stride: {list(stride)}, pad: {list(pad)}}}"
    run = LayerRun(NdPooling, [VIDEO], param_str=text)
    x = torch.tensor(VIDEO, requires_grad=True)
    function = {"max": torch.nn.functional.max_pool3d, "ave": torch.nn.functional.avg_pool3d}[pool]
    expected = function(x, kernel, stride, pad, ceil_mode=True)
    d_y = torch.randn_like(expected)
    expected.backward(d_y)
    np.testing.assert_allclose(run.forward()[0], expected.detach(), rtol=1e-13)
    np.testing.assert_allclose(run.backward([d_y.numpy()])[0], x.grad, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("mode", ["ceil", "floor"])
@pytest.mark.parametrize(
    ("axes", "kernel", "stride", "pad"),
    [(1, [3], [2], [1]), (2, [3, 1], [2, 1], [1, 0]), (3, [2], [2], [0]), (3, [2, 3, 1], [1, 2, 1], [1, 1, 0])],
)
def test_pytorchs_kernel_computes_the_same(axes, kernel, stride, pad, mode, monkeypatch):
    torch = pytest.importorskip("torch")
    x = torch.tensor(VIDEO[(slice(None), slice(None), *[0] * (3 - axes))])
    on_axes = (np.broadcast_to(size, axes).tolist() for size in (kernel, stride, pad))
    along = zip(range(2, 2 + axes), x.shape[2:], *on_axes)
    windows = [Window.along(*sizes, mode == "floor") for sizes in along][::-1]
    y = torch.empty(*x.shape[:2], *(window.outputs for window in reversed(windows)), dtype=x.dtype)
    d_y, found = torch.randn_like(y), []
    assert fused.has_max_pool(torch, x, windows)
    for kernels in (True, False):
        if not kernels:
            monkeypatch.setattr(fused, "has_max_pool", lambda *arguments: False)
        d_x = torch.empty_like(x)
        kept = max_pool_forward(torch, x, windows, y)
        max_pool_backward(torch, x, kept, windows, d_y, d_x)
        found.append((y.clone(), d_x))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_caffes_own_pooling_of_maps(tmp_path, pool):
    caffe = _engine.caffe() if _engine.available() else pytest.skip("no caffe here")
    (tmp_path / "net.prototxt").write_text(
        "force_backward: true input: 'x' input_shape { dim: 2 dim: 3 dim: 7 dim: 6 } "
        "layer { name: 'pool' type: 'Pooling' bottom: 'x' top: 'y' "
        f"pooling_param {{ pool: {pool} kernel_size: 3 stride: 2 pad: 1 }} }}"
    )
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TRAIN)
    run = LayerRun(
        NdPooling, [VIDEO[:, :, 0]], param_str=f"{{pool: {pool.lower()}, kernel_size: [3], stride: [2], pad: [1]}}"
    )
    net.blobs["x"].data[...] = VIDEO[:, :, 0]
    net.forward()
    assert run.forward()[0] == pytest.approx(net.blobs["y"].data, rel=1e-5)
    d_y = rng.standard_normal(net.blobs["y"].data.shape)
    net.blobs["y"].diff[...] = d_y
    net.backward()
    assert run.backward([d_y])[0] == pytest.approx(net.blobs["x"].diff, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("size", "kernel", "stride", "pad"), [(5, 2, 2, 0), (7, 3, 2, 1), (4, 4, 1, 0), (6, 2, 3, 1)])
def test_places_and_sizes(size, kernel, stride, pad):
    window = Window.along(0, size, kernel, stride, pad)
    seen = np.zeros((window.outputs, size))
    for at, of in window.places():
        seen[np.arange(window.outputs)[at], np.arange(size)[of]] += 1
    for place in range(window.outputs):
        begin = place * stride - pad
        assert [i for i in range(size) if begin <= i < begin + kernel] == list(np.flatnonzero(seen[place]))
    assert seen.max() == 1
    assert (window.sizes() >= seen.sum(1)).all()


def test_no_number_is_no_maximum_of_another_window():
    run = LayerRun(NdPooling, [[[[1, np.nan, 2, 3]]]], param_str="{kernel_size: [2], stride: [2]}")
    assert np.array_equal(run.forward()[0], [[[np.nan, 3]]], equal_nan=True)
    assert run.backward([[[[1, 1]]]])[0].tolist() == [[[0, 0, 0, 1]]]


@pytest.mark.parametrize(
    ("shape", "text", "message"),
    [
        (
            (2, 3),
            "kernel_size: [2]",
            r"bottom\[0\] must have the shape \(N, C, ...\) with values behind C, got \(2, 3\)",
        ),
        ((2, 3, 0), "global_pooling: true", r"bottom\[0\] must have the shape \(N, C, ...\) with values"),
        ((2, 3, 4, 4), "kernel_size: [2, 2, 2]", r"kernel_size must have one value, or 2 for the axes of bottom\[0\]"),
        ((2, 3, 4), "stride: [2]", r"needs one of kernel_size and global_pooling"),
        ((2, 3, 4), "{kernel_size: [2], global_pooling: true}", r"needs one of kernel_size and global_pooling"),
        ((2, 3, 4), "{kernel_size: [2], pad: [2]}", r"a window of 2 with stride 1 and pad 2 sees no value at an end"),
        ((2, 3, 5), "{kernel_size: [1], stride: [3]}", r"a window of 1 with stride 3 and pad 0 sees no value"),
        ((2, 3, 5), "{kernel_size: [9]}", r"a window of 9 with stride 1 and pad 0 sees no value .* axis 2 of size 5"),
    ],
)
def test_refused(shape, text, message):
    with pytest.raises(ValueError, match=rf"^NdPooling: {message}"):
        LayerRun(NdPooling, [np.zeros(shape)], param_str=text)


@pytest.mark.parametrize(("size", "kernel", "stride", "pad"), [(7, 2, 2, 0), (6, 3, 2, 1), (8, 3, 3, 0), (5, 5, 4, 2)])
def test_pytorch_rounds_down(size, kernel, stride, pad):
    torch = pytest.importorskip("torch")
    x = np.random.RandomState(size).standard_normal((2, 3, size, size))
    text = f"{{kernel_size: [{kernel}], stride: [{stride}], pad: [{pad}], round_mode: floor}}"
    expected = torch.nn.functional.max_pool2d(torch.tensor(x), kernel, stride, pad)
    np.testing.assert_array_equal(LayerRun(NdPooling, [x], param_str=text).forward()[0], expected)

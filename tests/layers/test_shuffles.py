"""Channel shuffle, pixel shuffle, space to depth: PyTorch's numbers, Reorg's by hand, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.shuffles import ChannelShuffle, PixelShuffle, SpaceToDepth
from caffe_pylayers.testing import LayerRun


def run(layer, bottom, param_str):
    return LayerRun(layer, [bottom], param_str=param_str)


@pytest.mark.parametrize(
    ("layer", "param_str", "shape", "function", "factor"),
    [
        (ChannelShuffle, "groups: 3", (2, 6, 3, 4), "channel_shuffle", 3),
        (PixelShuffle, "upscale: 3", (2, 18, 3, 4), "pixel_shuffle", 3),
        (SpaceToDepth, "block: 2", (2, 3, 4, 6), "pixel_unshuffle", 2),
    ],
)
def test_pytorch_s_numbers(layer, param_str, shape, function, factor):
    torch = pytest.importorskip("torch")
    given = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    expected = getattr(torch.nn.functional, function)(given, factor)
    d_top = torch.randn_like(expected)
    expected.backward(d_top)
    ours = run(layer, given.detach().numpy(), param_str)
    np.testing.assert_array_equal(ours.forward()[0], expected.detach())
    np.testing.assert_array_equal(ours.backward([d_top.numpy()])[0], given.grad)


def test_the_block_s_order():
    top = run(SpaceToDepth, np.arange(8).reshape(1, 2, 2, 2), "{block: 2, channel_order: block}").forward()[0]
    np.testing.assert_array_equal(top.ravel(), [0, 4, 1, 5, 2, 6, 3, 7])  # both channels' first pixel, their second ...


def test_darknet_s_reorg():
    """Its own indices, written as its loop has them, and what OpenCV's Reorg gives for 0 .. 15."""
    top = run(SpaceToDepth, np.arange(16).reshape(1, 4, 2, 2), "{block: 2, channel_order: darknet}").forward()[0]
    np.testing.assert_array_equal(top.ravel(), [0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15])
    channels, height, width, s = 8, 4, 6, 2
    flat = np.random.RandomState(1).rand(channels, height, width)
    few, seen = channels // s**2, flat.reshape(channels // s**2, height * s, width * s)
    expected = np.empty(flat.shape)
    for c, h, w in np.ndindex(*flat.shape):
        expected[c, h, w] = seen[c % few, h * s + c // few // s, w * s + c // few % s]
    top = run(SpaceToDepth, flat[None], "{block: 2, channel_order: darknet}").forward()[0]
    np.testing.assert_array_equal(top.ravel(), expected.ravel())


@pytest.mark.parametrize("order", ["channel", "block", "darknet"])
def test_one_is_the_other_s_inverse(order):
    given = np.random.RandomState(1).rand(2, 8, 4, 6)
    deep = run(SpaceToDepth, given, f"{{block: 2, channel_order: {order}}}").forward()[0]
    np.testing.assert_array_equal(
        run(PixelShuffle, deep, f"{{upscale: 2, channel_order: {order}}}").forward()[0], given
    )


@pytest.mark.parametrize(
    ("layer", "param_str", "shape", "message"),
    [
        (ChannelShuffle, "groups: 4", (2, 6), r"with C divisible by groups 4, got \(2, 6\)"),
        (ChannelShuffle, "", (2,), r"must have shape \(N, C, ...\)"),
        (PixelShuffle, "upscale: 2", (2, 6, 1, 1), r"channels divisible by 4, got \(2, 6, 1, 1\)"),
        (PixelShuffle, "{upscale: 2, channel_order: darknet}", (2, 4, 1, 1), r"channels divisible by 16"),
        (PixelShuffle, "upscale: 2", (2, 4), r"must have shape \(N, C, H, W\), got \(2, 4\)"),
        (SpaceToDepth, "block: 2", (2, 4, 2, 3), r"maps divisible by block 2"),
        (
            SpaceToDepth,
            "{block: 2, channel_order: darknet}",
            (2, 2, 2, 2),
            r"channel_order darknet needs .* by 4",
        ),
    ],
)
def test_refused_shapes(layer, param_str, shape, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        run(layer, np.zeros(shape), param_str)


def test_refused_in_place():
    ours = run(ChannelShuffle, np.zeros((2, 4)), "groups: 2")
    ours.bottom[0].reshape(2, 4, 1)
    with pytest.raises(ValueError, match=r"^ChannelShuffle: cannot work in place: top\[0\] is bottom\[0\], give it a "):
        ours.layer.reshape(ours.bottom, ours.bottom)

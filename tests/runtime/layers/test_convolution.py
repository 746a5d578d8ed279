"""What Convolution, Deconvolution and Im2col refuse."""

import numpy as np
import pytest

from caffe_pylayers.runtime.layer import LayerError
from tests.runtime.layers.one_layer import one_layer

MAP = (2, 4, 5, 6)


@pytest.mark.parametrize(
    ("kind", "param", "shape", "message"),
    [
        (kind, param, shape, message)
        for param, shape, message in [
            ("", MAP, r"kernel_size must be given once or 2 times, one for each spatial axis, got \[\]"),
            ("kernel_size: [1, 2, 3]", MAP, r"kernel_size must be given once or 2 times, .* got \[1, 2, 3\]"),
            ("kernel_size: 0", MAP, r"kernel_size must be positive, got \(0, 0\)"),
            ("kernel_h: 2", MAP, r"kernel_size must be positive, got \(2, 0\)"),
            ("kernel_h: 2 kernel_w: 2 kernel_size: 2", MAP, "either kernel_size or kernel_h and kernel_w, not both"),
            ("kernel_h: 2 kernel_w: 2", (2, 4, 5), "kernel_h and kernel_w are for 2 spatial axes, bottom.0. has 1"),
            ("kernel_size: 2 stride: 0", MAP, r"stride must be positive, got \(0, 0\)"),
            ("kernel_size: 2 stride: [1, 2, 3]", MAP, r"stride must be given once or 2 times, .*"),
            ("kernel_size: 2 stride: 1 stride_w: 2", MAP, "either stride or stride_h and stride_w, not both"),
            ("kernel_size: 2 pad: [1, 2, 3]", MAP, "pad must be given once or 2 times, .*"),
            ("kernel_size: 2 pad: 1 pad_h: 2", MAP, "either pad or pad_h and pad_w, not both"),
            ("kernel_size: 2 dilation: [1, 2, 3]", MAP, "dilation must be given once or 2 times, .*"),
            ("kernel_size: 2 dilation: 0", MAP, r"dilation must be positive, got \(0, 0\)"),
            ("kernel_size: 2 axis: 4", MAP, r"axis must be in \[-4, 4\) for bottom\[0\] of shape .*, got 4"),
        ]
        for kind in ("Convolution", "Deconvolution", "Im2col")
    ]
    + [
        ("Convolution", "kernel_size: 2", MAP, "num_output must be positive"),
        ("Convolution", "kernel_size: 2 num_output: 4 group: 3", MAP, "group 3 must divide the 4 channels of .*"),
        ("Convolution", "kernel_size: 2 num_output: 5 group: 2", MAP, "group 2 must divide .* num_output 5"),
        ("Convolution", "kernel_size: 2 num_output: 4 group: 0", MAP, "group 0 must divide .*"),
        (
            "Convolution",
            "kernel_size: 6 num_output: 4",
            MAP,
            r"the window \(6, 6\) gives bottom\[0\] of shape \(2, 4, 5, 6\) a top of sizes \(0, 1\)",
        ),
        ("Deconvolution", "kernel_size: 1 pad: 3 num_output: 4", MAP, "the window .* a top of sizes .*"),
        ("Im2col", "kernel_size: 9", MAP, "the window .* a top of sizes .*"),
        ("Im2col", "kernel_size: 1 axis: 3", MAP, r"bottom\[0\] must have an axis after the channels', got .*"),
        (
            "Convolution",
            'kernel_size: 2 num_output: 4 weight_filler { type: "gausian" }',
            MAP,
            r"blobs\[0\]: unknown filler gausian \(did you mean gaussian\?\); known: .*",
        ),
    ],
)
def test_refused(kind, param, shape, message):
    more = "num_output: 4" if "num_output" not in param and message != "num_output must be positive" else ""
    with pytest.raises(LayerError, match=f'^layer "l" \\({kind}\\): {message}$'):
        one_layer(kind, f"convolution_param {{ {param} {more} }}", shape)


def test_bottoms_of_two_shapes():
    with pytest.raises(
        LayerError, match=r"bottom\[1\] must have bottom\[0\]'s shape \(2, 4, 5, 6\), got \(1, 4, 5, 6\)"
    ):
        one_layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }", MAP, (1, 4, 5, 6), tops=2)


@pytest.mark.parametrize(
    ("shape", "message"), [((2, 3, 5, 6), "must keep its 4 channels at axis 1"), ((2, 4, 5), "must keep its 4 axes")]
)
def test_another_bottom_later(shape, message):
    layer, bottom, top = one_layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }", MAP)
    bottom[0].reshape(*shape)
    with pytest.raises(LayerError, match=message):
        layer.reshape(bottom, top)


def test_learned_blobs_given_before():
    layer, bottom, top = one_layer("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }", MAP)
    kept = list(layer.blobs)
    layer.setup(bottom, top)
    assert layer.blobs == kept
    layer.blobs.pop()
    with pytest.raises(LayerError, match=r"its learned blobs must have shapes \[.*\], got \[\(2, 4, 1, 1\)\]"):
        layer.setup(bottom, top)


def test_another_batch_size_later():
    layer, bottom, top = one_layer(
        "Convolution", "convolution_param { num_output: 2 kernel_size: 3 weight_filler { value: 1 } }", MAP
    )
    for batch in (3, 1, 2):
        bottom[0].reshape(batch, *MAP[1:])
        bottom[0].data[...] = np.arange(batch).reshape(-1, 1, 1, 1)
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        assert top[0].shape == (batch, 2, 3, 4)
        assert (top[0].data == 36 * np.arange(batch).reshape(-1, 1, 1, 1)).all()

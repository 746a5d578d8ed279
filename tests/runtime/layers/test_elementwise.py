"""Elementwise layers: their refusals, and the same numbers in both layouts."""

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST
from tests.runtime.layers.one_layer import one_layer

X = (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("kind", "param", "shapes", "message"),
    [
        ("PReLU", "", [(3,)], r"bottom\[0\] must have 2 to 4 axes \(N, C, ...\), got shape \(3,\)"),
        ("PReLU", "", [(1, 2, 3, 4, 5)], r"bottom\[0\] must have 2 to 4 axes .*, got shape \(1, 2, 3, 4, 5\)"),
        ("Clip", "clip_param { min: 1 }", [X], "clip_param needs max"),
        ("Exp", "exp_param { base: 0 }", [X], "base must be positive and finite, or -1 for e, got 0"),
        ("Exp", "exp_param { base: inf }", [X], "base must be positive .*, got inf"),
        ("Log", "log_param { base: -2 }", [X], "base must be positive .*, got -2"),
        ("Log", "log_param { base: 1 }", [X], "log_param.base must not be 1, whose logarithm is 0"),
        ("Dropout", "dropout_param { dropout_ratio: 1.5 }", [X], r"dropout_ratio must be in \[0, 1\], got 1.5"),
        ("Eltwise", "", [(2, 3), (3, 2)], r"bottom\[1\] must have shape \(2, 3\) as bottom\[0\], got \(3, 2\)"),
        ("Eltwise", "eltwise_param { coeff: 1 }", [X, X], "takes a coeff for each of 2 bottoms or none, got 1"),
        (
            "Eltwise",
            "eltwise_param { operation: PROD coeff: 1 coeff: 2 }",
            [X, X],
            "coeff goes with operation SUM, got PROD",
        ),
        ("Scale", "scale_param { axis: 4 }", [X], r"axis must be in \[-4, 4\) for bottom\[0\] of shape .*, got 4"),
        ("Scale", "scale_param { num_axes: 4 }", [X], r"num_axes must be in \[-1, 3\] from axis 1 on, got 4"),
        ("Bias", "bias_param { num_axes: -2 }", [X], r"num_axes must be in \[-1, 3\] from axis 1 on, got -2"),
        ("Scale", "", [X, (4,)], r"bottom\[1\] must have shape \(3,\) as bottom\[0\] from axis 1, got \(4,\)"),
        ("Bias", "bias_param { axis: 3 }", [X, (5, 1)], r"bottom\[1\] must have shape \(5,\) .* got \(5, 1\)"),
        ("Scale", "scale_param { filler { type: 'xavie' } }", [X], r"blobs\[0\]: unknown filler \"xavie\" .*"),
    ],
)
def test_refused(kind, param, shapes, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\({kind}\\): {message}$'):
        one_layer(kind, param, *shapes)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Scale", r"blobs\[0\] must have shape \(4,\) as bottom\[0\] from axis 1, got \(3,\)"),
        ("Bias", r"blobs\[0\] must have shape \(4,\) as bottom\[0\] from axis 1, got \(3,\)"),
        ("PReLU", r"bottom\[0\] must have 3 channels, one a slope, got shape \(2, 4\)"),
    ],
)
def test_other_channels_later(kind, message):
    layer, bottom, top = one_layer(kind, "", (2, 3))
    bottom[0].reshape(2, 4)
    with pytest.raises(LayerError, match=message):
        layer.reshape(bottom, top)


def test_threshold_has_no_gradient():
    layer, bottom, top = one_layer("Threshold", "", (2, 3))
    with pytest.raises(LayerError, match="has no gradient"):
        layer.backward(top, [True], bottom)


LAYOUTS = [
    *[(kind, "") for kind in ("AbsVal", "BNLL", "ELU", "Exp", "ReLU", "Sigmoid", "Swish", "TanH", "PReLU", "Bias")],
    ("ReLU", "relu_param { negative_slope: 0.1 }"),
    ("Clip", "clip_param { min: -0.5 max: 0.5 }"),
    ("Log", "log_param { shift: 9 }"),
    ("Power", "power_param { power: 3 shift: 9 }"),
    ("Dropout", "dropout_param { dropout_ratio: 0 }"),
    ("Scale", "scale_param { filler { value: 2 } bias_term: true bias_filler { value: 3 } }"),
    ("Scale", "scale_param { axis: 0 num_axes: -1 bias_term: true }"),
]


def outcome(kind, param, last, in_place):
    """Top, bottom gradient and learned gradients, with values and gradients in channels-last memory or Caffe's."""
    layer, bottom, top = one_layer(kind, param, X)
    if in_place:
        layer.setup(bottom, bottom)
        layer.reshape(bottom, bottom)
        top = bottom
    random = np.random.RandomState(0)
    layout = {"layout": CHANNELS_LAST} if last else {}
    bottom[0].write(**layout).copy_(torch.from_numpy(random.standard_normal(X).astype(np.float32)))
    layer.forward(bottom, top)
    assert last == (top[0].layout == CHANNELS_LAST)
    y = top[0].data.copy()
    top[0].write_diff(**layout).copy_(torch.from_numpy(random.standard_normal(X).astype(np.float32)))
    layer.backward(top, [True], bottom)
    assert last == (bottom[0].diff_layout == CHANNELS_LAST)
    return [y, bottom[0].diff.copy(), *(blob.diff.copy() for blob in layer.blobs)]


@pytest.mark.parametrize(
    ("kind", "param", "in_place"),
    [
        (kind, param, in_place)
        for kind, param in LAYOUTS
        for in_place in (False, True)
        if (kind, in_place) != ("AbsVal", True)
    ],
)
def test_the_same_in_both_layouts(kind, param, in_place):
    for plain, last in zip(*(outcome(kind, param, last, in_place) for last in (False, True)), strict=True):
        np.testing.assert_allclose(plain, last, 1e-5, 1e-6)


@pytest.mark.parametrize("operation", ["PROD", "SUM", "MAX"])
def test_eltwise_of_mixed_layouts(operation):
    results = []
    for layouts in [((), ()), ((CHANNELS_LAST,), ()), ((), (CHANNELS_LAST,)), ((CHANNELS_LAST,), (CHANNELS_LAST,))]:
        layer, bottom, top = one_layer("Eltwise", f"eltwise_param {{ operation: {operation} }}", X, X)
        random = np.random.RandomState(0)
        for blob, layout in zip(bottom, layouts, strict=True):
            blob.write(*layout).copy_(torch.from_numpy(random.standard_normal(X).astype(np.float32)))
        layer.forward(bottom, top)
        top[0].write_diff(*layouts[0]).copy_(torch.from_numpy(random.standard_normal(X).astype(np.float32)))
        layer.backward(top, [True, True], bottom)
        results.append([top[0].data, bottom[0].diff, bottom[1].diff])
    for other in results[1:]:
        for plain, mixed in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(plain, mixed)

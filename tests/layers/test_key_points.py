"""HeatMaps, SoftArgmax and PositionalEncoding: PyTorch's numbers, values by hand, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.key_points import HeatMaps, SoftArgmax
from caffe_pylayers.position_codes import PositionalEncoding
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(1)


def check(layer, given, function, param_str):
    """Compare the top and the gradient with those of a function of torch."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(given, requires_grad=True)
    expected = function(torch, x)
    d_top = torch.randn_like(expected)
    expected.backward(d_top)
    run = LayerRun(layer, [given], param_str=param_str)
    np.testing.assert_allclose(run.forward()[0], expected.detach(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.backward([d_top.numpy()])[0], x.grad, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("visibility", [False, True])
def test_heat_maps(stride, visibility):
    points = rng.uniform(-2, 20, (3, 4, 2))
    if visibility:
        points = np.concatenate([points, rng.randint(0, 3, (3, 4, 1))], 2)

    def gaussians(torch, p):
        y, x = (stride * torch.arange(n, dtype=torch.float64) + (stride - 1) / 2 for n in (5, 6))
        squares = (x - p[..., 0, None, None]) ** 2 + (y[:, None] - p[..., 1, None, None]) ** 2
        maps = torch.exp(-squares / (2 * (1.5 * stride) ** 2))
        return maps * (p[..., 2, None, None] != 0) if visibility else maps

    check(HeatMaps, points, gaussians, f'{{"size": [5, 6], "sigma": 1.5, "stride": {stride}}}')


def test_the_peak_is_at_the_point_and_weights_are_of_visible_ones():
    run = LayerRun(HeatMaps, [[[[3, 1, 2], [0, 0, 0]]], np.zeros((1, 1, 4, 5))], tops=2)
    maps, weights = run.forward()
    assert (maps[0, 0, 1, 3], maps[0, 0].argmax()) == (1, 8)
    assert not maps[0, 1].any()
    assert weights.ravel().tolist() == [1, 0]


@pytest.mark.parametrize("size", [(4, 6), (1, 5)])
@pytest.mark.parametrize("normalized", [False, True])
def test_soft_argmax(size, normalized):
    def places(torch, maps):
        weights = (maps / 0.5).flatten(2).softmax(-1).reshape(maps.shape)
        y, x = (2.0 * torch.arange(n, dtype=torch.float64) + 0.5 for n in size)
        if normalized:
            y, x = (torch.linspace(-1, 1, n, dtype=torch.float64) if n > 1 else torch.zeros(1) for n in size)
        return torch.stack([(weights.sum(2) * x).sum(-1), (weights.sum(3) * y).sum(-1)], -1)

    param_str = f'{{"temperature": 0.5, "stride": 2, "normalized": {str(normalized).lower()}}}'
    check(SoftArgmax, rng.standard_normal((3, 2, *size)), places, param_str)


def test_a_heat_map_s_soft_argmax_is_its_point():
    points = rng.uniform(30, 60, (2, 3, 2))
    maps = LayerRun(HeatMaps, [points], param_str='{"size": [24, 24], "stride": 4, "sigma": 2}').forward()[0]
    with np.errstate(divide="ignore"):
        back = LayerRun(SoftArgmax, [np.maximum(np.log(maps), -1e4)], param_str='{"stride": 4}').forward()[0]
    np.testing.assert_allclose(back, points, atol=0.01)


def test_a_sequence_s_codes_are_the_paper_s():
    codes = LayerRun(PositionalEncoding, [np.zeros((2, 7, 6))], param_str="axis: -1").forward()[0]
    for p, channel in np.ndindex(7, 6):
        angle = p / 10000 ** (2 * (channel // 2) / 6)
        np.testing.assert_allclose(codes[:, p, channel], np.cos(angle) if channel % 2 else np.sin(angle))


def test_a_map_s_codes_are_of_rows_then_columns():
    maps = rng.standard_normal((2, 8, 3, 5))
    line = LayerRun(PositionalEncoding, [np.zeros((1, 4, 5))]).forward()[0][0]
    codes = LayerRun(PositionalEncoding, [maps]).forward()[0] - maps
    for row, column in np.ndindex(3, 5):
        np.testing.assert_allclose(codes[0, :, row, column], [*line[:, row], *line[:, column]], atol=1e-12)
    last = LayerRun(PositionalEncoding, [np.moveaxis(maps, 1, -1)], param_str="{axis: -1, added: false}").forward()[0]
    np.testing.assert_allclose(np.moveaxis(last, -1, 1), codes, atol=1e-12)
    steps = LayerRun(PositionalEncoding, [np.zeros((5, 3, 4))], param_str="{axis: 2, batch_axis: 1}").forward()[0]
    np.testing.assert_array_equal(steps[:, 1].T, line)


def test_positions_in_place():
    maps = rng.standard_normal((2, 8, 3, 5))
    apart, run = LayerRun(PositionalEncoding, [maps]), LayerRun(PositionalEncoding, [maps])
    (placed,) = apart.forward()
    run.layer.forward(run.bottom, run.bottom)
    np.testing.assert_array_equal(run.bottom[0].data, placed)
    run.bottom[0].diff[...] = maps
    run.layer.backward(run.bottom, [True], run.bottom)
    np.testing.assert_array_equal(run.bottom[0].diff, maps)


@pytest.mark.parametrize(
    ("layer", "shapes", "param_str", "message"),
    [
        (
            HeatMaps,
            [(2, 3, 4)],
            "size: [2, 2]",
            r"\(points\) must have shape \(N, K, 2\) or .* \(2, 3, 4\)",
        ),
        (HeatMaps, [(2, 7)], "{size: [2, 2], values_per_point: 2}", r"got \(2, 7\)"),
        (HeatMaps, [(2, 3, 2)], "", r"needs either bottom\[1\] \(reference\) or the parameter size"),
        (HeatMaps, [(2, 3, 2), (3,)], "", r"\(reference\) must have shape \(..., H, W\), got \(3,\)"),
        (SoftArgmax, [(2, 3, 4)], "", r"\(maps\) must have shape \(N, K, H, W\), got \(2, 3, 4\)"),
        (SoftArgmax, [(2, 3, 4, 0)], "", r"got \(2, 3, 4, 0\)"),
        (PositionalEncoding, [(2, 4)], "", r"needs an axis of channels, one of samples and one or two of positions"),
        (PositionalEncoding, [(2, 3, 4)], "", r"channels must be divisible by 2, got bottom\[0\] of shape \(2, 3, 4\)"),
        (PositionalEncoding, [(2, 6, 4, 4)], "", r"channels must be divisible by 4"),
        (PositionalEncoding, [(2, 6, 4)], "axis: 0", r"needs an axis of channels"),
    ],
)
def test_refused(layer, shapes, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, list(map(np.zeros, shapes)), param_str=param_str)


@pytest.mark.parametrize("place", [np.nan, np.inf])
def test_a_point_that_is_not_labelled_may_be_anywhere(place):
    run = LayerRun(HeatMaps, [[[[place, place, 0], [0, 1, 2]]]], param_str="size: [2, 2]")
    (maps,) = run.forward()
    assert not maps[0, 0].any()
    assert maps[0, 1, 1, 0] == 1
    d_points = run.backward([np.ones((1, 2, 2, 2))])[0]
    assert np.isfinite(d_points).all()
    assert not d_points[0, 0].any()

"""AffineGrid, GridSample, SpatialTransformer: PyTorch's numbers, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers.spatial_transformer import AffineGrid, GridSample, SpatialTransformer
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(1)


@pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid behavior has changed")  # for a size of 1
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(4, 6), (1, 3), (1, 1)])
def test_affine_grid(align_corners, size):
    torch = pytest.importorskip("torch")
    theta = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.affine_grid(theta, (3, 2, *size), align_corners=align_corners)
    d_top = torch.randn_like(expected)
    expected.backward(d_top)
    param_str = f'{{"size": {list(size)}, "align_corners": {str(align_corners).lower()}}}'
    run = LayerRun(AffineGrid, [theta.detach().numpy().reshape(3, 6)], param_str=param_str)
    np.testing.assert_allclose(run.forward()[0], expected.detach(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.backward([d_top.numpy()])[0].reshape(3, 2, 3), theta.grad, rtol=1e-12, atol=1e-13)


GRIDS = {
    "inside": rng.uniform(-1, 1, (3, 3, 4, 2)),
    "across the border": rng.uniform(-1.6, 1.6, (3, 3, 4, 2)),
    "far": rng.uniform(-1e6, 1e6, (3, 3, 4, 2)),
    "on pixels and corners": rng.randint(-3, 4, (3, 3, 4, 2)) / 2,
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(5, 5), (3, 6), (1, 1)])
def test_grid_sample(grid, padding, align_corners, size):
    torch = pytest.importorskip("torch")
    given = torch.randn(3, 2, *size, dtype=torch.float64, requires_grad=True)
    places = torch.tensor(grid, requires_grad=True)
    options = {"padding_mode": padding, "align_corners": align_corners}
    expected = torch.nn.functional.grid_sample(given, places, **options)
    d_top = torch.randn_like(expected)
    expected.backward(d_top)
    param_str = f'{{"padding": "{padding}", "align_corners": {str(align_corners).lower()}}}'
    run = LayerRun(GridSample, [given.detach().numpy(), grid], param_str=param_str)
    np.testing.assert_allclose(run.forward()[0], expected.detach(), rtol=1e-12, atol=1e-13)
    d_features, d_grid = run.backward([d_top.numpy()])
    np.testing.assert_allclose(d_features, given.grad, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(d_grid, places.grad, rtol=1e-11, atol=1e-12)


def test_the_identity_gives_the_map_back():
    maps = rng.standard_normal((2, 3, 4, 5))
    for corners in ("true", "false"):
        grid = LayerRun(AffineGrid, [[[1, 0, 0, 0, 1, 0]] * 2, maps], param_str=f"align_corners: {corners}").forward()[
            0
        ]
        same = LayerRun(GridSample, [maps, grid], param_str=f"align_corners: {corners}").forward()[0]
        np.testing.assert_allclose(same, maps, atol=1e-12)


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_a_place_that_is_no_number_has_nothing(padding):
    maps, grid = np.ones((1, 1, 2, 2)), np.array([[[[np.nan, 0], [0, 0]]]])
    run = LayerRun(GridSample, [maps, grid], param_str=f"padding: {padding}")
    assert run.forward()[0].tolist() == [[[[0, 1]]]]
    d_maps, d_grid = run.backward([np.ones((1, 1, 1, 2))])
    assert d_maps.tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]
    assert not d_grid.any()


@pytest.mark.parametrize(
    ("layer", "shapes", "param_str", "message"),
    [
        (AffineGrid, [(2, 5)], "size: [2, 2]", r"\(theta\) must have shape \(N, 6\) or \(N, 2, 3\), got \(2, 5\)"),
        (AffineGrid, [(2, 6)], "", r"needs either bottom\[1\] \(reference\) or the parameter size"),
        (AffineGrid, [(2, 6), (2, 2)], "size: [2, 2]", r"needs either"),
        (AffineGrid, [(2, 6), (2,)], "", r"bottom\[1\] \(reference\) must have shape \(..., H, W\), got \(2,\)"),
        (GridSample, [(2, 3, 4, 4), (2, 4, 4, 3)], "", r"needs features \(N, C, H, W\) and grid \(N, H', W', 2\)"),
        (GridSample, [(2, 3, 4, 4), (1, 4, 4, 2)], "", r"got shapes \(2, 3, 4, 4\) and \(1, 4, 4, 2\)"),
        (GridSample, [(2, 3, 0, 4), (2, 4, 4, 2)], "", r"got shapes \(2, 3, 0, 4\)"),
    ],
)
def test_refused(layer, shapes, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, list(map(np.zeros, shapes)), param_str=param_str)


@pytest.mark.parametrize("size", [(4, 5), (3, 7)])
def test_spatial_transformer(size):
    """PyTorch has x before y, and with align_corners false the first pixel's centre half a pixel from -1."""
    torch = pytest.importorskip("torch")
    maps, theta = (torch.tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((3, 2, 4, 5), (3, 6)))
    y, x = torch.meshgrid(*(2 * torch.arange(n).double() / n - 1 for n in size), indexing="ij")
    steps = torch.stack([y, x, torch.ones_like(x)], 2)
    places = torch.einsum("nij,hwj->nhwi", theta.reshape(3, 2, 3), steps) + torch.tensor(
        [1 / 4, 1 / 5], dtype=torch.float64
    )
    expected = torch.nn.functional.grid_sample(maps, places.flip(3), align_corners=False)
    d_top = torch.randn_like(expected)
    expected.backward(d_top)
    bottoms = maps.detach().numpy(), theta.detach().numpy()
    run = LayerRun(SpatialTransformer, bottoms, param_str=f"{{height: {size[0]}, width: {size[1]}}}")
    np.testing.assert_allclose(run.forward()[0], expected.detach(), rtol=1e-12, atol=1e-13)
    for ours, theirs in zip(run.backward([d_top.numpy()]), (maps.grad, theta.grad)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_what_is_fixed_and_the_identity():
    maps = rng.standard_normal((2, 3, 4, 5))
    text = "{fixed: {0: 1, 1: 0, 2: 0, 3: 0, 4: 1}}"
    run = LayerRun(SpatialTransformer, [maps, [[0], [0.4]]], param_str=text)  # 0.4 of half the five columns: one
    moved = run.forward()[0]
    np.testing.assert_allclose(moved[0], maps[0], atol=1e-12)
    np.testing.assert_allclose(moved[1, :, :, :4], maps[1, :, :, 1:], atol=1e-12)
    assert not moved[1, :, :, 4].any()


@pytest.mark.parametrize(
    ("bottoms", "text", "message"),
    [
        ([np.zeros((2, 3)), np.zeros((2, 6))], "{}", r"bottom\[0\] \(map\) must have the shape \(N, C, H, W\)"),
        ([np.zeros((2, 3, 4, 5)), np.zeros((2, 5))], "{}", r"bottom\[1\] \(theta\) must have 6 values for each of 2"),
        ([np.zeros((2, 3, 4, 5)), np.zeros((2, 5))], "{fixed: {6: 1}}", r"fixed names values of theta from 0 to 5"),
    ],
)
def test_what_a_spatial_transformer_refuses(bottoms, text, message):
    with pytest.raises(ValueError, match=f"^SpatialTransformer: {message}"):
        LayerRun(SpatialTransformer, bottoms, param_str=text)

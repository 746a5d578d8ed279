"""Maps warped by flows beside PyTorch's grid_sample, values by hand, and what leads out of the map."""

import numpy as np
import pytest

from caffe_pylayers.flow import FlowWarp, PixelGrid, Warp
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(8)
MAPS, FLOW = rng.standard_normal((2, 3, 5, 7)), 2 * rng.standard_normal((2, 2, 5, 7))


def test_places_are_those_of_grid_sample():
    torch = pytest.importorskip("torch")
    places = rng.uniform(-2, 8, (2, 2, 4, 6))
    run, d_top = LayerRun(Warp, [MAPS, places]), rng.standard_normal((2, 3, 4, 6))
    maps, tensor = (torch.tensor(array, requires_grad=True) for array in (MAPS, places))
    grid = torch.stack([tensor[:, 0] / 3 - 1, tensor[:, 1] / 2 - 1], -1)
    wanted = torch.nn.functional.grid_sample(maps, grid, align_corners=True)
    wanted.backward(torch.tensor(d_top))
    np.testing.assert_allclose(run.forward()[0], wanted.detach(), rtol=1e-10, atol=1e-12)
    for found, gradient in zip(run.backward([d_top]), (maps.grad, tensor.grad)):
        np.testing.assert_allclose(found, gradient, rtol=1e-9, atol=1e-11)


def test_a_flow_is_that_of_grid_sample_on_the_map():
    """Beyond the last pixels FlowWarp goes on as padding border does, up to less than one pixel further."""
    torch = pytest.importorskip("torch")
    run, d_top = LayerRun(FlowWarp, [MAPS, FLOW]), rng.standard_normal(MAPS.shape)
    maps, flow = (torch.tensor(array, requires_grad=True) for array in (MAPS, FLOW))
    x, y = flow[:, 0] + torch.arange(7), flow[:, 1] + torch.arange(5)[:, None]
    inside = (x >= 0) & (x < 7) & (y >= 0) & (y < 5)
    grid = torch.stack([x / 3 - 1, y / 2 - 1], -1)
    wanted = torch.nn.functional.grid_sample(maps, grid, padding_mode="border", align_corners=True) * inside[:, None]
    wanted.backward(torch.tensor(d_top))
    assert 20 < inside.sum() < 60
    np.testing.assert_allclose(run.forward()[0], wanted.detach(), rtol=1e-10, atol=1e-12)
    for found, gradient in zip(run.backward([d_top]), (maps.grad, flow.grad)):
        np.testing.assert_allclose(found, gradient, rtol=1e-9, atol=1e-11)


def test_what_leads_out_of_the_map():
    maps, flow = np.array([[[[np.nan, 1, 2]]]]), np.array([[[[-1, np.nan, 0]], [[0, 0, 0]]]])
    run = LayerRun(FlowWarp, [maps, flow])
    assert run.forward()[0].tolist() == [[[[0, 0, 2]]]]
    assert not run.backward([np.ones((1, 1, 1, 3))])[1].any()
    filled = LayerRun(FlowWarp, [maps, flow], param_str="{fill_value: not_a_number}").forward()[0]
    assert np.isnan(filled).tolist() == [[[[True, True, False]]]]


def test_a_grid_and_a_flow_are_places():
    (grid,) = LayerRun(PixelGrid, [MAPS]).forward()
    inside = np.clip(grid + FLOW, 0, np.array([6, 4]).reshape(2, 1, 1))
    (warped,) = LayerRun(Warp, [MAPS, inside]).forward()
    np.testing.assert_allclose(LayerRun(FlowWarp, [MAPS, inside - grid]).forward()[0], warped, rtol=1e-12)


@pytest.mark.parametrize(
    ("cls", "shapes", "message"),
    [
        (FlowWarp, [(1, 2, 3, 4), (1, 2, 4, 3)], r"needs a map \(N, C, H, W\) and flow \(N, 2, H, W\)"),
        (Warp, [(1, 2, 3, 4), (1, 3, 3, 4)], r"needs a map \(N, C, H, W\) and places"),
        (Warp, [(1, 2, 0, 4), (1, 2, 3, 4)], r"needs a map"),
        (PixelGrid, [(1, 2, 3)], r"bottom\[0\] \(maps\) must have the shape"),
    ],
)
def test_what_is_refused(cls, shapes, message):
    with pytest.raises(ValueError, match=f"^{cls.__name__}: {message}"):
        LayerRun(cls, [np.zeros(shape) for shape in shapes]).forward()

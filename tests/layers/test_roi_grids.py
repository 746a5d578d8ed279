"""ROIWarping and ROIGrid: numbers and gradients of grid_sample, ROI by ROI."""

import numpy as np
import pytest

from caffe_pylayers.roi_grids import ROIGrid, ROIWarping
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
maps = rng.standard_normal((2, 4, 13, 17))
corners = rng.uniform(-40, [176, 144], (2, 30, 2))
rois = np.concatenate([rng.randint(0, 2, (30, 1)), corners.min(0), corners.max(0)], 1)


def sampled(torch, data, places):
    """A map at the rows and columns of a grid, 0 half a cell outside."""
    size = data.shape[1:]
    grid = [2 * np.clip(at, 0, n - 1) / (n - 1) - 1 for at, n in zip(places, size)]
    grid = np.stack(np.broadcast_arrays(grid[1][None], grid[0][:, None]), -1)[None]
    inside = [(at >= -0.5) & (at <= n - 0.5) for at, n in zip(places, size)]
    found = torch.nn.functional.grid_sample(data[None], torch.tensor(grid), align_corners=True)[0]
    return found * torch.tensor(inside[0][:, None] & inside[1])


def warped(roi, axis):
    start, end = (np.floor(roi[k - axis] / 8 + 0.5) for k in (2, 4))
    return start + np.arange(3) * (end - start) / 3


def grid(roi, axis, pad_ratio=0.25):
    pad = (roi[4 - axis] - roi[2 - axis] + 1) * pad_ratio
    start, end = (roi[2 - axis] - pad) / 8 - 0.5, (roi[4 - axis] + pad) / 8 - 0.5
    return start + np.arange(4) * (end - start) / 3


@pytest.mark.parametrize(("layer", "places", "more"), [(ROIWarping, warped, {}), (ROIGrid, grid, {"pad_ratio": 0.25})])
def test_is_grid_sample(layer, places, more):
    torch = pytest.importorskip("torch")
    data = torch.tensor(maps, requires_grad=True)
    expected = torch.stack([sampled(torch, data[int(roi[0])], [places(roi, 0), places(roi, 1)]) for roi in rois])
    weights = rng.standard_normal(expected.shape)
    (expected * torch.tensor(weights)).sum().backward()
    text = str({"pooled_h": 3, "pooled_w": 3, "spatial_scale": 0.125, **more})
    run = LayerRun(layer, [maps, rois], param_str=text)
    np.testing.assert_allclose(run.forward()[0], expected.detach().numpy(), atol=1e-12)
    d_data, d_rois = run.backward([weights])
    np.testing.assert_allclose(d_data, data.grad.numpy(), atol=1e-12)
    assert not d_rois.any()


@pytest.mark.parametrize("layer", [ROIWarping, ROIGrid])
def test_rois_without_a_size_and_maps_of_nothing(layer):
    text = "{pooled_h: 2, pooled_w: 2}"
    (found,) = LayerRun(layer, [maps, [[0, 5, 5, 5, 9], [1, 500, 500, 600, 600]]], param_str=text).forward()
    assert found[0].any() == (layer is ROIWarping)  # its columns are one
    assert not found[1].any()
    for shape in ((1, 2, 0, 4), (1, 2, 4, 0), (1, 0, 4, 4)):
        run = LayerRun(layer, [np.zeros(shape), [[0, 0, 0, 9, 9]]], param_str=text)
        assert not run.forward(before=7.25)[0].any()
        assert run.backward([1.0])[0].shape == shape

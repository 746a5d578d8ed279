"""PSROIPooling and PSROIAlign: numbers and gradients of slices and of grid_sample, bin by bin."""

import math

import numpy as np
import pytest

from caffe_pylayers.position_sensitive import PSROIAlign, PSROIPooling
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
maps = rng.standard_normal((2, 18, 13, 17))  # two channels of 3 x 3 bins


def some_rois(count, beyond=0.0):
    """ROIs in pixels of a map of stride 8; up to ``beyond`` pixels outside."""
    corners = rng.uniform(-beyond, [136 + beyond, 104 + beyond], (2, count, 2))
    rois = np.concatenate([rng.randint(0, 2, (count, 1)), corners.min(0), corners.max(0)], 1)
    rois[::2] = (rois[::2] * 2).round() / 2  # halves of pixels
    return rois.astype(np.float32)


def run(layer, rois, data=maps, **options):
    return LayerRun(layer, [data, rois], param_str=str({"output_dim": 2, "group_size": 3, **options}))


def bins(roi, axis, scale, whole):
    """Where the three bins of a ROI start, step and end on an axis, in float32."""
    scale, one = np.float32(scale), np.float32(1)
    first, last = roi[2 - axis], roi[4 - axis]
    if whole:
        first, last = (np.float32(math.copysign(math.floor(abs(float(x)) + 0.5), x)) for x in (first, last))
    start = first * scale
    step = max((last + one) * scale - start, np.float32(0.1)) / np.float32(3)
    return [(np.float32(i) * step + start, step, np.float32(i + 1) * step + start) for i in range(3)]


def pooled_one_by_one(torch, data, roi, scale):
    found = []
    for d, i, j in np.ndindex(2, 3, 3):
        ends = []
        for axis, k in ((0, i), (1, j)):
            start, _, end = bins(roi, axis, scale, True)[k]
            ends.append(slice(*np.clip([math.floor(start), math.ceil(end)], 0, data.shape[2 + axis])))
        part = data[int(roi[0]), (d * 3 + i) * 3 + j, ends[0], ends[1]]
        found.append(part.mean() if part.numel() else torch.zeros((), dtype=data.dtype))
    return torch.stack(found).reshape(2, 3, 3)


def aligned_one_by_one(torch, data, roi, scale, samples=2):
    height, width = data.shape[2:]
    found = []
    for d, i, j in np.ndindex(2, 3, 3):
        points = []
        for axis, k, size in ((0, i, height), (1, j, width)):
            start, step, end = bins(roi, axis, scale, False)[k]
            start, end = (min(max(x, 0), size - 1) for x in (start, end))
            places = [start + np.float32(n) * (step / np.float32(samples + 1)) for n in range(1, samples + 1)]
            points.append([2 * x / (size - 1) - 1 for x in places if x < end])
        if not all(points):
            found.append(torch.zeros((), dtype=data.dtype))
            continue
        grid = torch.tensor([[(x, y) for x in points[1]] for y in points[0]], dtype=data.dtype)[None]
        part = data[int(roi[0]), (d * 3 + i) * 3 + j][None, None]
        found.append(torch.nn.functional.grid_sample(part, grid, align_corners=True).sum() / samples**2)
    return torch.stack(found).reshape(2, 3, 3)


@pytest.mark.parametrize(
    ("layer", "reference"), [(PSROIPooling, pooled_one_by_one), (PSROIAlign, aligned_one_by_one)], ids=["pool", "align"]
)
@pytest.mark.parametrize("scale", [0.125, 0.13])
def test_bin_by_bin(layer, reference, scale):
    torch = pytest.importorskip("torch")
    rois = some_rois(25, beyond=40.0)
    data = torch.tensor(maps, requires_grad=True)
    expected = torch.stack([reference(torch, data, roi, scale) for roi in rois])
    weights = rng.standard_normal(expected.shape)
    (expected * torch.tensor(weights)).sum().backward()
    made = run(layer, rois, spatial_scale=scale)
    atol = 1e-12 if layer is PSROIPooling else 1e-5  # its points are float32
    np.testing.assert_allclose(made.forward()[0], expected.detach().numpy(), atol=atol)
    d_data, d_rois = made.backward([weights])
    np.testing.assert_allclose(d_data, data.grad.numpy(), atol=atol)
    assert not d_rois.any()


@pytest.mark.parametrize(
    ("roi", "expected"), [([0, 0, 0, 3, 3], [2.5, 20.5, 42.5, 60.5]), ([0, 1, 1, 2, 2], [5, 22, 41, 58])]
)
def test_pooling_by_hand(roi, expected):
    (found,) = run(PSROIPooling, [roi], np.arange(64.0).reshape(1, 4, 4, 4), output_dim=1, group_size=2).forward()
    assert found.ravel().tolist() == expected


def test_bins_of_many_maps_are_summed_in_parts(monkeypatch):
    from caffe_pylayers._layer.functions import range_sums

    rois, weights = some_rois(20, beyond=40.0), rng.standard_normal((20, 2, 3, 3))
    whole, parts = (run(PSROIPooling, rois, spatial_scale=0.125) for _ in range(2))
    expected = whole.forward()[0], whole.backward([weights])[0]
    monkeypatch.setattr(range_sums, "_BLOCK", 2 * 4 * 13 * 17)  # four of the nine maps at a time
    np.testing.assert_allclose(parts.forward()[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(parts.backward([weights])[0], expected[1], atol=1e-12)


def test_sums_of_a_few_rectangles_are_those_of_many():
    from caffe_pylayers._layer.functions.range_sums import range_sums

    values = rng.standard_normal((2, 3, 5, 7, 4))
    which, corners = rng.randint(0, 6, 20), np.sort(rng.randint(0, [[[5]], [[7]]], (2, 20, 2)), 2)
    few = range_sums(np, values, which, *corners.transpose(0, 2, 1))
    many = range_sums(np, values, np.tile(which, 30), *np.tile(corners.transpose(0, 2, 1), 30))
    np.testing.assert_allclose(np.tile(few, (30, 1)), many, atol=1e-12)
    expected = [
        values.reshape(6, 5, 7, 4)[n, y0:y1, x0:x1].sum((0, 1)) for n, (y0, y1), (x0, x1) in zip(which, *corners)
    ]
    np.testing.assert_allclose(few, expected, atol=1e-12)


@pytest.mark.parametrize("others", [0, 400])
@pytest.mark.parametrize("tensor", [False, True])
def test_a_value_that_is_no_number_stays_in_its_rectangles(others, tensor):
    """However many others there are, so that their sums are found in one way or in the other."""
    from caffe_pylayers._layer.functions.range_sums import range_sums

    values = np.ones((2, 2, 6, 9, 3))
    values[1, 0, 2, 3] = np.nan, np.inf, 1
    values[1, 0, 4, 4, 1] = -np.inf
    ends = np.array([[0, 0, 9], [0, 2, 9], [2, 3, 9], [3, 6, 9], [2, 5, 4], [5, 6, 9]] + [[0, 6, 9]] * others)
    which = np.array([2, 2, 2, 2, 2, 3] + [0] * others)
    xp = pytest.importorskip("torch") if tensor else np
    given = xp.tensor(values) if tensor else values
    with np.errstate(all="raise"):
        found = range_sums(xp, given, which, ends[:, :2].T, (np.zeros_like(which), ends[:, 2]))
    nan, inf = np.nan, np.inf
    expected = [[0] * 3, [18] * 3, [nan, inf, 9], [27, -inf, 27], [nan, inf, 12], [9] * 3]
    np.testing.assert_array_equal(np.asarray(found[:6]), expected)


def test_a_few_large_rectangles_are_not_summed_cell_by_cell(monkeypatch):
    from caffe_pylayers._layer.functions import range_sums

    monkeypatch.delattr(range_sums, "_cell_by_cell")
    corners = np.array([[0], [40]]), np.array([[0], [50]])
    assert range_sums.range_sums(np, np.ones((1, 1, 40, 50, 3)), np.array([0]), *corners).tolist() == [[2000] * 3]


def test_tensors_as_on_a_gpu_give_the_same():
    torch = pytest.importorskip("torch")
    from caffe_pylayers import position_sensitive as module

    rois, d_pooled = some_rois(20, beyond=40.0), rng.standard_normal((20, 2, 3, 3))
    data, d_data = torch.tensor(maps), torch.empty(maps.shape, dtype=torch.float64)
    for layer, kind, values in (
        (PSROIPooling, "pooling", module.psroi_pooling_bins(rois, 3, 0.125, maps.shape[2:])),
        (PSROIAlign, "align", module.psroi_align_points(rois, 3, 0.125, maps.shape[2:])),
    ):
        made = run(layer, rois, spatial_scale=0.125)
        found = getattr(module, f"psroi_{kind}_forward")(torch, data, rois, values)
        np.testing.assert_allclose(found.numpy(), made.forward()[0], atol=1e-12)
        getattr(module, f"psroi_{kind}_backward")(torch, rois, values, torch.tensor(d_pooled), d_data)
        np.testing.assert_allclose(d_data.numpy(), made.backward([d_pooled])[0], atol=1e-12)


@pytest.mark.parametrize("layer", [PSROIPooling, PSROIAlign])
def test_refused(layer):
    with pytest.raises(
        ValueError,
        match=rf"^{layer.__name__}: bottom\[0\] \(data\) must have output_dim group_size\*\*2 = 9 channels, got shape",
    ):
        run(layer, [[0, 0, 0, 9, 9]], output_dim=1)
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: bottom\[1\] \(rois\) has the batch index 2 in row 0; "):
        run(layer, [[2, 0, 0, 9, 9]]).forward()


@pytest.mark.parametrize("layer", [PSROIPooling, PSROIAlign])
@pytest.mark.parametrize("shape", [(1, 18, 0, 4), (1, 18, 4, 0)])
def test_maps_of_nothing_give_zeros(layer, shape):
    made = run(layer, [[0, 0, 0, 9, 9], [0, 3, 3, 20, 20]], np.zeros(shape))
    assert made.forward(before=7.25)[0].shape == (2, 2, 3, 3)
    assert not made.top[0].data.any()
    assert made.backward([np.ones((2, 2, 3, 3))])[0].shape == shape

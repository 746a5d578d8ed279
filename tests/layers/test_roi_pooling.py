"""ROIPooling and ROIAlign: OpenCV's and PyTorch's numbers and gradients, and what they refuse."""

import math

import numpy as np
import pytest

from caffe_pylayers import roi_pooling
from caffe_pylayers.roi_pooling import ROIAlign, ROIPooling
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
maps = rng.standard_normal((2, 4, 13, 17))


def some_rois(count, beyond=0.0):
    """ROIs in pixels of a map of stride 8; up to ``beyond`` pixels outside."""
    corners = rng.uniform(-beyond, [136 + beyond, 104 + beyond], (2, count, 2))
    return np.concatenate([rng.randint(0, 2, (count, 1)), corners.min(0), corners.max(0)], 1)


def run(layer, rois, pooled=(3, 4), data=maps, dtype=np.float64, **options):
    options = {"pooled_h": pooled[0], "pooled_w": pooled[1], "spatial_scale": 0.125, **options}
    return LayerRun(layer, [data, rois], param_str=str(options), dtype=dtype)


@pytest.mark.parametrize("pooled", [(1, 1), (3, 4), (7, 7), (20, 2)])
def test_pooling_is_adaptive_pooling_of_crops(pooled):
    torch = pytest.importorskip("torch")
    rois = some_rois(30)
    cells = np.floor(rois[:, 1:] / 8 + 0.5).astype(int)
    inside = (cells[:, 2] < 17) & (cells[:, 3] < 13)
    rois, cells = rois[inside], cells[inside]
    data = torch.tensor(maps, requires_grad=True)
    pool = torch.nn.functional.adaptive_max_pool2d
    crops = [data[int(n), :, y1 : y2 + 1, x1 : x2 + 1] for n, (x1, y1, x2, y2) in zip(rois[:, 0], cells)]
    expected = torch.stack([pool(crop, pooled) for crop in crops])
    weights = rng.standard_normal(expected.shape)
    (expected * torch.tensor(weights)).sum().backward()
    layer = run(ROIPooling, rois, pooled)
    np.testing.assert_array_equal(layer.forward()[0], expected.detach().numpy())
    np.testing.assert_allclose(layer.backward([weights])[0], data.grad.numpy(), atol=1e-12)


def pooled_one_by_one(data, roi, pooled, scale):
    """A ROI's features as caffe-fast-rcnn describes them, in float32."""
    x1, y1, x2, y2 = (int(math.copysign(math.floor(abs(float(v)) + 0.5), v)) for v in np.float32(roi[1:]) * scale)
    found = np.zeros((data.shape[1], *pooled))
    bins = [np.float32(max(b - a + 1, 1)) / np.float32(p) for a, b, p in ((y1, y2, pooled[0]), (x1, x2, pooled[1]))]
    for i in range(pooled[0]):
        for j in range(pooled[1]):
            ends = []
            for k, size, start, length in ((i, bins[0], y1, data.shape[2]), (j, bins[1], x1, data.shape[3])):
                low, high = math.floor(np.float32(k) * size) + start, math.ceil(np.float32(k + 1) * size) + start
                ends.append(slice(min(max(low, 0), length), min(max(high, 0), length)))
            part = data[int(roi[0]), :, ends[0], ends[1]]
            if part.size:
                found[:, i, j] = part.max((1, 2))
    return found


@pytest.mark.parametrize("scale", [0.125, 0.13])
def test_pooling_beyond_the_map_and_at_halves_of_cells(scale):
    rois = some_rois(60, beyond=40.0).astype(np.float32)
    rois[::2, 1:] = rois[::2, 1:].round() // 4 * 4  # halves of cells of 8 pixels
    (found,) = run(ROIPooling, rois, spatial_scale=scale).forward()
    expected = [pooled_one_by_one(maps, roi, (3, 4), np.float32(scale)) for roi in rois]
    np.testing.assert_array_equal(found, expected)


PROTOTXT = """
input: "data" input_shape {{ dim: 2 dim: 4 dim: 13 dim: 17 }}
input: "rois" input_shape {{ dim: {rois} dim: 5 }}
layer {{
  name: "pool" type: "ROIPooling" bottom: "data" bottom: "rois" top: "pool"
  roi_pooling_param {{ pooled_h: 3 pooled_w: 4 spatial_scale: {scale} }}
}}
"""


@pytest.mark.parametrize("scale", [0.125, 0.13])
def test_pooling_is_opencvs(scale, tmp_path):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("OpenCV 5 reads no Caffe nets")
    rois = some_rois(60, beyond=40.0).astype(np.float32)
    rois[::2, 1:] = rois[::2, 1:].round() // 4 * 4
    data = maps.astype(np.float32)
    (tmp_path / "net.prototxt").write_text(PROTOTXT.format(rois=len(rois), scale=scale))
    net = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"))
    net.setInput(data, "data")
    net.setInput(rois, "rois")
    (found,) = run(ROIPooling, rois, data=data, dtype=np.float32, spatial_scale=scale).forward()
    np.testing.assert_array_equal(found, net.forward())


def test_a_padded_roi_is_a_larger_one():
    rois = [[0, 40, 24, 79, 63], [1, 8, 8, 15, 23]]  # 40 x 40, 8 x 16
    larger = [[0, 30, 14, 89, 73], [1, 6, 4, 17, 27]]
    found, expected = run(ROIPooling, rois, pad_ratio=0.25), run(ROIPooling, larger)
    np.testing.assert_array_equal(found.forward()[0], expected.forward()[0])
    np.testing.assert_array_equal(found.backward([2.0])[0], expected.backward([2.0])[0])


def test_pooling_takes_the_first_of_equal_values():
    data = np.ones((1, 1, 3, 3))
    data[0, 0, 1] = data[0, 0, 2, 0] = 2
    layer = run(ROIPooling, [[0, 0, 0, 23, 23]], (1, 1), data)
    assert layer.forward()[0].ravel().tolist() == [2]
    d_data, d_rois = layer.backward([3.0])
    assert d_data[0, 0].tolist() == [[0, 0, 0], [3, 0, 0], [0, 0, 0]]
    assert not d_rois.any()


def test_a_roi_outside_has_zeros_and_no_gradient():
    for layer in (ROIPooling, ROIAlign):
        made = run(layer, [[1, 500, 500, 600, 600]])
        assert not made.forward()[0].any()
        assert not made.backward([1.0])[0].any()


def points_of(start, end, pooled, points):
    """The coordinates of a ROI's points on one axis, (pooled, points)."""
    step = (end - start) / pooled
    return start + step * (np.arange(pooled)[:, None] + (np.arange(points) + 0.5) / points)


def aligned_roi(torch, data, roi, pooled, sampling_ratio, aligned):
    """A ROI's features by grid_sample, which samples PyTorch's own way."""
    x1, y1, x2, y2 = roi[1:] * 0.125 - (0.5 if aligned else 0)
    if not aligned:
        x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
    counts = [
        sampling_ratio if sampling_ratio > 0 else math.ceil((b - a) / p)
        for a, b, p in ((y1, y2, pooled[0]), (x1, x2, pooled[1]))
    ]
    y, x = points_of(y1, y2, pooled[0], counts[0]), points_of(x1, x2, pooled[1], counts[1])
    height, width = data.shape[2:]
    grid = np.stack(np.broadcast_arrays(x[None, None] / (width - 1), y[:, :, None, None] / (height - 1)), -1) * 2 - 1
    grid = torch.tensor(grid.reshape(1, pooled[0] * counts[0], -1, 2))
    sample = torch.nn.functional.grid_sample(data[int(roi[0])][None], grid, padding_mode="border", align_corners=True)[
        0
    ]
    counted = ((y >= -1) & (y <= height))[:, :, None, None] & ((x >= -1) & (x <= width))
    sample = sample * torch.tensor(counted.reshape(sample.shape[1:]))
    return sample.reshape(-1, pooled[0], counts[0], pooled[1], counts[1]).mean((2, 4))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling_ratio", [-1, 0, 1, 2, 3])
def test_align_is_grid_sample(sampling_ratio, aligned):
    torch = pytest.importorskip("torch")
    rois, pooled = some_rois(40, beyond=60.0), (3, 4)
    data = torch.tensor(maps, requires_grad=True)
    expected = torch.stack([aligned_roi(torch, data, roi, pooled, sampling_ratio, aligned) for roi in rois])
    weights = rng.standard_normal(expected.shape)
    (expected * torch.tensor(weights)).sum().backward()
    layer = run(ROIAlign, rois, sampling_ratio=sampling_ratio, aligned=aligned)
    np.testing.assert_allclose(layer.forward()[0], expected.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(layer.backward([weights])[0], data.grad.numpy(), atol=1e-12)


def test_tensors_as_on_a_gpu_give_the_same():
    torch = pytest.importorskip("torch")
    rois, pooled = some_rois(20, beyond=40.0), (3, 4)
    data, d_data = torch.tensor(maps), torch.tensor(maps)
    d_pooled = rng.standard_normal((20, 4, 3, 4))
    weights = roi_pooling.roi_align_weights(rois, pooled, 0.125, maps.shape[2:])
    layer = run(ROIPooling, rois)
    bins = roi_pooling.roi_pooling_bins(rois, pooled, 0.125, maps.shape[2:])
    found = roi_pooling.roi_pooling_forward(torch, data, rois, bins)
    np.testing.assert_array_equal(found.numpy(), layer.forward()[0])
    roi_pooling.roi_pooling_backward(torch, data, rois, bins, torch.tensor(d_pooled), d_data)
    np.testing.assert_allclose(d_data.numpy(), layer.backward([d_pooled])[0], atol=1e-12)
    layer = run(ROIAlign, rois)
    found = torch.empty(d_pooled.shape, dtype=data.dtype)
    roi_pooling.roi_align_forward(torch, data, rois, weights, found)
    np.testing.assert_allclose(found.numpy(), layer.forward()[0], atol=1e-12)
    roi_pooling.roi_align_backward(torch, rois, weights, torch.tensor(d_pooled), d_data)
    np.testing.assert_allclose(d_data.numpy(), layer.backward([d_pooled])[0], atol=1e-12)


def test_align_of_a_plane_is_the_plane():
    y, x = np.mgrid[:13, :17]
    (found,) = run(ROIAlign, [[0, 8, 16, 72, 64]], (3, 4), (2.0 * y + 3 * x)[None, None]).forward()
    centres_y, centres_x = 2 + 2 * (np.arange(3)[:, None] + 0.5), 1 + 2 * (np.arange(4) + 0.5)
    np.testing.assert_allclose(found[0, 0], 2 * centres_y + 3 * centres_x)


@pytest.mark.parametrize("layer", [ROIPooling, ROIAlign])
def test_refused(layer):
    with pytest.raises(
        ValueError, match=rf"^{layer.__name__}: bottom\[0\] \(data\) must be maps \(N, C, H, W\), got \(2, 3\)"
    ):
        run(layer, np.zeros((1, 5)), data=np.zeros((2, 3)))
    with pytest.raises(
        ValueError, match=rf"^{layer.__name__}: bottom\[1\] \(rois\) must have shape \(R, 5\), got \(1, 4\)"
    ):
        run(layer, np.zeros((1, 4)))
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: bottom\[1\] \(rois\) has the batch index 2 in row 1; "):
        run(layer, [[0, 0, 0, 9, 9], [2, 0, 0, 9, 9]]).forward()
    with pytest.raises(
        ValueError, match=rf"^{layer.__name__}: bottom\[1\] \(rois\) must be finite, got nan at index \(0, 1\)"
    ):
        run(layer, [[0, np.nan, 0, 9, 9]]).forward()


@pytest.mark.parametrize("options", [{}, {"aligned": True}, {"sampling_ratio": 2}])
@pytest.mark.parametrize("side", [1e4, 3e8, 1e30])
def test_align_of_a_roi_of_any_size(side, options):
    rois = [[0, -side, 8, side, 60], [0, 8, -side, 60, side / 2], [1, side / 2, 0, side, 9]]
    (found,) = run(ROIAlign, rois, pooled=(7, 7), **options).forward()
    assert found.shape == (3, 4, 7, 7)
    middle = found[0, :, :, 3]  # of its many columns a few are on the map
    assert (np.abs(middle).max() < 1e-2 * np.abs(maps).max()) or options.get("sampling_ratio")
    assert not found[0, :, :, [0, 1, 2, 4, 5, 6]].any()
    assert not found[2].any()
    assert not run(ROIPooling, rois).forward()[0][2].any()


def test_align_of_a_roi_larger_than_the_map_is_grid_sample():
    torch = pytest.importorskip("torch")
    rois = np.array([[0, -300.0, -500, 700, 900], [1, -3000, 20, 90, 50], [0, 40, -999, 60, 5000]])
    for aligned in (False, True):
        expected = [aligned_roi(torch, torch.tensor(maps), roi, (3, 4), 0, aligned).numpy() for roi in rois]
        np.testing.assert_allclose(run(ROIAlign, rois, aligned=aligned).forward()[0], expected, atol=1e-12)


@pytest.mark.parametrize("layer", [ROIPooling, ROIAlign])
@pytest.mark.parametrize("shape", [(1, 0, 4, 4), (1, 2, 0, 4), (1, 2, 4, 0)])
def test_maps_of_nothing_give_zeros(layer, shape):
    made = run(layer, [[0, 0, 0, 9, 9], [0, 3, 3, 20, 20]], data=np.zeros(shape))
    assert made.forward(before=7.25)[0].shape == (2, shape[1], 3, 4)
    assert not made.top[0].data.any()
    assert made.backward([np.ones((2, shape[1], 3, 4))])[0].shape == shape

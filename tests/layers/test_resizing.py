"""Resized maps beside PyTorch's and Pillow's, crops beside Caffe's own Crop; sizes, exactness, what is refused."""

import json

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.resizing import CropLike, Pad, ResizeFeatures, ResizeLabels, Uncrop
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
SIZES = [
    ((4, 5), (9, 7)),
    ((9, 7), (4, 5)),
    ((1, 6), (3, 1)),
    ((8, 8), (16, 24)),
    ((150, 3), (300, 5)),
    ((5, 300), (5, 190)),
    ((520, 30), (30, 260)),
    ((17, 9), (5, 3)),
    ((5, 9), (9, 17)),
    ((1, 1), (3, 12)),
]


def run(cls, *bottoms, **parameters):
    return LayerRun(cls, bottoms, param_str=json.dumps(parameters))


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("coordinates", ["align_corners", "half_pixel"])
def test_features_are_those_of_interpolate(coordinates, before, after):
    torch = pytest.importorskip("torch")
    maps, d = rng.standard_normal((2, 3, *before)), rng.standard_normal((2, 3, *after))
    x = torch.tensor(maps, requires_grad=True)
    wanted = torch.nn.functional.interpolate(x, after, mode="bilinear", align_corners=coordinates == "align_corners")
    (wanted * torch.tensor(d)).sum().backward()
    layer = run(ResizeFeatures, maps, size=after, coordinates=coordinates)
    np.testing.assert_allclose(layer.forward()[0], wanted.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.backward([d])[0], x.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize(("coordinates", "mode"), [("half_pixel", "nearest-exact"), ("asymmetric", "nearest")])
def test_nearest_is_that_of_interpolate(coordinates, mode, before, after):
    torch = pytest.importorskip("torch")
    labels, d = rng.randint(0, 256, (2, 1, *before)), rng.standard_normal((2, 1, *after))
    x = torch.tensor(labels, dtype=torch.float64, requires_grad=True)
    wanted = torch.nn.functional.interpolate(x, after, mode=mode)
    wanted.backward(torch.tensor(d))
    parameters = {"size": after, "coordinates": coordinates}
    np.testing.assert_array_equal(run(ResizeLabels, labels, **parameters).forward()[0], wanted.detach())
    features = run(ResizeFeatures, labels.astype(float), mode="nearest", **parameters)
    np.testing.assert_array_equal(features.forward()[0], wanted.detach())
    np.testing.assert_allclose(features.backward([d])[0], x.grad, rtol=1e-12)


@pytest.mark.parametrize(("begin", "end"), [(0, -2), (-1, 0), (-2, -1)])
def test_what_is_left_out(begin, end):
    """As Interp has it: the maps without it are resized, and it has no gradient."""
    maps, d = rng.standard_normal((2, 3, 7, 9)), rng.standard_normal((2, 3, 7, 9))
    inside = (..., slice(-begin, 7 + end), slice(-begin, 9 + end))
    layer = run(ResizeFeatures, maps, size=[7, 9], pad_beg=begin, pad_end=end)
    cropped = run(ResizeFeatures, maps[inside], size=[7, 9])
    np.testing.assert_allclose(layer.forward()[0], cropped.forward()[0], rtol=1e-12)
    wanted = np.zeros_like(maps)
    wanted[inside] = cropped.backward([d])[0]
    np.testing.assert_allclose(layer.backward([d])[0], wanted, rtol=1e-12, atol=1e-15)
    labels = run(ResizeLabels, maps, size=[7, 9], pad_beg=begin, pad_end=end).forward()[0]
    np.testing.assert_array_equal(labels, run(ResizeLabels, maps[inside], size=[7, 9]).forward()[0])
    doubled = run(ResizeFeatures, maps, zoom_factor=2, pad_beg=begin, pad_end=end).forward()[0]
    np.testing.assert_allclose(doubled, run(ResizeFeatures, maps[inside], zoom_factor=2).forward()[0], rtol=1e-12)
    factors = run(ResizeFeatures, np.zeros((1, 1, 41, 41)), shrink_factor=8, pad_beg=begin, pad_end=end)
    assert factors.top[0].data.shape[2] == (41 + begin + end - 1) // 8 + 1


def test_labels_are_those_of_pillow():
    image = pytest.importorskip("PIL.Image")
    labels = rng.randint(0, 256, (13, 17)).astype(np.uint8)
    for height, width in ((5, 40), (26, 9), (13, 34)):
        wanted = np.asarray(image.fromarray(labels).resize((width, height), image.NEAREST))
        layer = run(ResizeLabels, labels[None, None], size=[height, width], coordinates="half_pixel")
        np.testing.assert_array_equal(layer.forward()[0][0, 0], wanted)


@pytest.mark.parametrize(("before", "after"), [((13, 17), (5, 40)), ((8, 6), (16, 9)), ((64, 64), (8, 8))])
def test_features_and_labels_are_those_of_opencv(before, after):
    cv2 = pytest.importorskip("cv2")
    maps, labels = rng.standard_normal(before).astype(np.float32), rng.randint(0, 256, before).astype(np.uint8)
    bilinear = cv2.resize(maps, after[::-1], interpolation=cv2.INTER_LINEAR)
    features = run(ResizeFeatures, maps[None, None], size=after, coordinates="half_pixel").forward()[0]
    np.testing.assert_allclose(features[0, 0], bilinear, rtol=1e-5, atol=1e-6)
    nearest = cv2.resize(labels, after[::-1], interpolation=cv2.INTER_NEAREST)
    found = run(ResizeLabels, labels[None, None], size=after, coordinates="asymmetric").forward()[0]
    np.testing.assert_array_equal(found[0, 0], nearest)


@pytest.mark.parametrize(
    ("n", "parameters", "wanted"),
    [  # Interp of DeepLab and PSPNet: shrink (n - 1) / s + 1, zoom n + (n - 1) (z - 1), both one after the other
        (41, {"shrink_factor": 8}, 6),
        (42, {"shrink_factor": 8}, 6),
        (41, {"zoom_factor": 8}, 321),
        (41, {"shrink_factor": 2, "zoom_factor": 3}, 61),
        (1, {"zoom_factor": 8}, 1),
        (41, {"shrink_factor": 8, "coordinates": "half_pixel"}, 5),
        (41, {"zoom_factor": 8, "coordinates": "half_pixel"}, 328),
        (41, {"shrink_factor": 2, "zoom_factor": 3, "coordinates": "asymmetric"}, 61),
        (3, {"shrink_factor": 8, "coordinates": "asymmetric"}, 1),
    ],
)
def test_sizes_by_factors(n, parameters, wanted):
    for cls in (ResizeFeatures, ResizeLabels):
        assert run(cls, np.zeros((1, 1, n, n)), **parameters).top[0].data.shape == (1, 1, wanted, wanted)


def test_a_reference_gives_its_size():
    maps, reference = rng.standard_normal((2, 3, 4, 5)), np.zeros((1, 9, 7))
    for cls in (ResizeFeatures, ResizeLabels):
        given, named = run(cls, maps, reference), run(cls, maps, size=[9, 7])
        np.testing.assert_array_equal(given.forward()[0], named.forward()[0])


def test_shrunk_labels_are_every_eighth():
    labels = rng.randint(0, 21, (2, 1, 41, 33))
    np.testing.assert_array_equal(run(ResizeLabels, labels, shrink_factor=8).forward()[0], labels[:, :, ::8, ::8])


def test_values_by_hand():
    maps = np.array([[[[0.0, 1.0], [2.0, 3.0]]]])
    layer = run(ResizeFeatures, maps, size=[1, 4])
    np.testing.assert_allclose(layer.forward()[0], [[[[0, 1 / 3, 2 / 3, 1]]]])
    layer = run(ResizeFeatures, maps, zoom_factor=2)
    layer.forward()
    np.testing.assert_allclose(layer.backward([np.ones((1, 1, 3, 3))])[0], np.full((1, 1, 2, 2), 2.25))
    layer = run(ResizeFeatures, maps[:, :, :1], size=[1, 4], coordinates="asymmetric")
    np.testing.assert_allclose(layer.forward()[0], [[[[0, 0.5, 1, 1]]]])


def test_ties_of_nearest_go_to_the_later():
    labels = np.array([[[3.0, 200.0]]])
    np.testing.assert_array_equal(run(ResizeLabels, labels, size=[1, 3]).forward()[0], [[[3, 200, 200]]])


@pytest.mark.parametrize(("axis", "offset"), [(2, [1, 2]), (2, [1]), (1, [1, 2, 0]), (-1, [3])])
def test_crop_is_that_of_caffe(tmp_path, axis, offset):
    if not _engine.available():
        pytest.skip("no engine")
    caffe, messages = _engine.caffe(), _engine.messages()
    x, reference = rng.standard_normal((2, 4, 6, 7)).astype(np.float32), rng.standard_normal((2, 2, 4, 3))
    message = messages.NetParameter(force_backward=True)
    for name, array in (("x", x), ("reference", reference)):
        message.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=array.shape)
    crop = message.layer.add(name="crop", type="Crop", bottom=["x", "reference"], top=["crop"])
    crop.crop_param.axis = axis
    crop.crop_param.offset.extend(offset)
    (tmp_path / "net.prototxt").write_text(str(message))
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    net.blobs["x"].data[...] = x
    net.forward()
    d = rng.standard_normal(net.blobs["crop"].data.shape).astype(np.float32)
    net.blobs["crop"].diff[...] = d
    net.backward()
    layer = run(CropLike, x, reference, axis=axis, offset=offset)
    np.testing.assert_array_equal(layer.forward()[0], net.blobs["crop"].data)
    np.testing.assert_array_equal(layer.backward([d])[0], net.blobs["x"].diff)


@pytest.mark.parametrize("offset", [[], [1, 0]])
def test_uncrop_undoes_crop(offset):
    x = rng.standard_normal((2, 3, 7, 6))
    cropped = run(CropLike, x, np.zeros((2, 1, 4, 6)), offset=offset).forward()[0]
    start = offset[0] if offset else 1  # (7 - 4) // 2
    wanted = np.full_like(x, -1)
    wanted[:, :, start : start + 4] = x[:, :, start : start + 4]
    np.testing.assert_array_equal(run(Uncrop, cropped, x, offset=offset, fill_value=-1).forward()[0], wanted)


@pytest.mark.parametrize(
    ("cls", "shapes", "parameters", "message"),
    [
        (ResizeFeatures, [(1, 1, 4, 4)], {}, r"needs size, zoom_factor or shrink_factor, or bottom\[1\] \(reference\)"),
        (ResizeLabels, [(1, 1, 4, 4)] * 2, {"zoom_factor": 2}, "each give the size: only one may be there"),
        (ResizeLabels, [(1, 1, 4, 4)], {"zoom_factor": 2, "size": [3, 3]}, "each give the size: only one may be there"),
        (ResizeFeatures, [(4, 4)], {"zoom_factor": 2}, r"bottom\[0\] \(maps\) must have shape .*, got \(4, 4\)"),
        (ResizeFeatures, [(1, 0, 0)], {"size": [3, 3]}, r"\(maps\) of \(0, 0\) leaves \(0, 0\) to resize to \(3, 3\)"),
        (
            ResizeFeatures,
            [(1, 6, 9)],
            {"zoom_factor": 2, "pad_beg": -9},
            r"pad_beg -9 and pad_end 0 leave nothing of bottom\[0\] \(maps\) of \(6, 9\)",
        ),
        (ResizeFeatures, [(1, 4, 4)], {"zoom_factor": 99999}, r"\(1, 299998, 299998\), of more than 2147483647 values"),
        (CropLike, [(1, 2, 4, 4), (1, 2, 5, 4)], {}, r"must lie in the larger, \(1, 2, 4, 4\), bottom\[0\]"),
        (CropLike, [(1, 2, 4, 4), (1, 2, 3, 3)], {"offset": [2]}, r"smaller, \(1, 2, 3, 3\), at offset \(2, 2\)"),
        (CropLike, [(1, 2, 4, 4), (3, 3)], {}, r"must have the axes of bottom\[0\] \(1, 2, 4, 4\), got \(3, 3\)"),
        (CropLike, [(1, 2, 4, 4)] * 2, {"offset": [0, 0, 0]}, "offset must have 1 or 2 numbers, for axes 2 on, got 3"),
        (CropLike, [(4, 4)] * 2, {}, r"axis 2 is outside bottom\[0\] of shape \(4, 4\)"),
        (Uncrop, [(1, 2, 4, 4), (1, 2, 3, 4)], {}, r"must lie in the larger, \(1, 2, 3, 4\), bottom\[1\]"),
    ],
)
def test_refused(cls, shapes, parameters, message):
    with pytest.raises(ValueError, match=rf"^{cls.__name__}: .*{message}"):
        run(cls, *map(np.zeros, shapes), **parameters)


def test_pad_is_pytorchs():
    torch = pytest.importorskip("torch")
    x = np.random.RandomState(1).standard_normal((2, 3, 4, 5))
    text = "{pad_l: 1, pad_r: 2, pad_t: 3, fill_value: 7}"
    expected = torch.nn.functional.pad(torch.tensor(x), (1, 2, 3, 0), value=7)
    np.testing.assert_array_equal(LayerRun(Pad, [x], param_str=text).forward()[0], expected)
    with pytest.raises(ValueError, match=r"^Pad: bottom\[0\] must have the shape \(..., H, W\), got \(4,\)"):
        LayerRun(Pad, [x[0, 0, :, 0]])

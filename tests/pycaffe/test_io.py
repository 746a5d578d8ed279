"""caffe.io: images and messages, the images beside real Caffe's."""

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from caffe_pylayers.pycaffe import io
from caffe_pylayers.runtime.proto.caffe_pb2 import BlobProto
from tests.parity.families import caffe_python

cv2 = pytest.importorskip("cv2")

RESIZED = [  # shape, new sizes, interp_order
    ((40, 50, 3), (20, 25), 1),
    ((40, 50, 3), (61, 80), 1),
    ((40, 50, 1), (17, 90), 1),
    ((3, 200, 3), (20, 20), 1),  # grows and shrinks: kept to the values of the smoothed image
    ((30, 31, 5), (45, 20), 1),
    ((20, 20, 3), (7, 9), 0),
    ((20, 20, 3), (33, 30), 0),
]
ARRAYS = [  # shape, dtype, output_shape, options of resize
    ((40, 50, 3), "f4", (20, 61), {}),
    ((40, 50, 3), "f4", (10, 11, 5), {}),
    ((40, 50, 3), "f4", (3, 16, 16), {}),
    ((40, 50, 3), "f8", [22, 84], {"mode": "constant", "cval": -2}),
    ((40, 50, 3), "f4", [62, 44], {"mode": "constant", "cval": 0.5, "clip": False}),
    ((40, 50, 3), "f4", (20, 60), {"mode": "edge"}),
    ((40, 50, 3), "f4", (20, 60), {"mode": "symmetric"}),
    ((40, 50, 3), "f4", (20, 60), {"mode": "wrap"}),
    ((40, 50, 3), "f4", (60, 20), {"order": 0}),
    ((40, 50, 3), "f4", (20, 25), {"anti_aliasing": False}),
    ((40, 50, 3), "f4", (20, 25), {"anti_aliasing_sigma": 1.5}),
    ((21, 17), "f8", (10, 30, 1), {}),
    ((21, 17), "u1", (40, 40), {}),
    ((21, 17), "u1", (40, 40), {"preserve_range": True}),
    ((8, 8), "i4", (16, 16), {}),
    ((9, 9), "?", (5, 20), {}),
    ((5, 6, 7, 8), "f8", (5, 9, 5, 4), {}),
    ((21,), "f8", (40,), {}),
    ((21, 17), "f8", (1, 1), {}),
]
THEIRS = """
import sys, caffe, numpy as np
cases = eval(sys.argv[1])
images = [np.random.RandomState(0).rand(*shape).astype(np.float32) for shape, _, _ in cases]
resized = {str(i): caffe.io.resize_image(image, *rest) for i, (image, (_, *rest)) in enumerate(zip(images, cases))}
arrays = [(100 * np.random.RandomState(0).randn(*shape)).astype(dtype) for shape, dtype, _, _ in eval(sys.argv[3])]
for i, (array, (_, _, sizes, options)) in enumerate(zip(arrays, eval(sys.argv[3]))):
    resized[f"array{i}"] = caffe.io.resize(array, sizes, **options)
np.savez(sys.argv[2], oversampled=caffe.io.oversample(images[:2], (15, 22)), **resized)
"""


def test_resized_and_oversampled_as_real_caffe_does(tmp_path):
    python = caffe_python()
    if python is None:
        pytest.skip("no real Caffe; `make caffe` installs one")
    subprocess.run([python, "-c", THEIRS, repr(RESIZED), tmp_path / "theirs.npz", repr(ARRAYS)], check=True)
    theirs = np.load(tmp_path / "theirs.npz")
    images = [np.random.RandomState(0).rand(*shape).astype(np.float32) for shape, _, _ in RESIZED]
    for i, (image, (_, sizes, order)) in enumerate(zip(images, RESIZED)):
        np.testing.assert_allclose(io.resize_image(image, sizes, order), theirs[str(i)], atol=1e-5)
    np.testing.assert_array_equal(io.oversample(images[:2], (15, 22)), theirs["oversampled"])
    for i, (shape, dtype, sizes, options) in enumerate(ARRAYS):
        array = (100 * np.random.RandomState(0).randn(*shape)).astype(dtype)
        ours, real = io.resize(array, sizes, **options), theirs[f"array{i}"]
        assert ours.dtype == real.dtype
        np.testing.assert_allclose(ours, real, atol=5e-3 if array.dtype == np.float32 else 1e-8, err_msg=str(ARRAYS[i]))


def test_resize_keeps_what_it_can_and_refuses_the_rest():
    array = np.float32([[-700, 5], [300, 2]])
    np.testing.assert_array_equal(io.resize(array, (2, 2)), array)
    assert io.resize(np.full((3, 3), 255, np.uint8), (2, 2)).max() == 1
    with pytest.raises(ValueError, match="order must be 0 or 1, got 3"):
        io.resize(array, (4, 4), order=3)
    with pytest.raises(ValueError, match=r"mode must be one of constant, edge, .* got nearest"):
        io.resize(array, (4, 4), mode="nearest")
    with pytest.raises(ValueError, match=r"an array of shape \(2, 2, 2\) takes 2 or more sizes, got \[4\]"):
        io.resize(np.zeros((2, 2, 2)), (4,))


def test_resize_of_a_constant_and_refused_order():
    np.testing.assert_allclose(io.resize_image(np.full((4, 5, 3), 0.25, np.float32), (8, 2)), 0.25, rtol=1e-6)
    with pytest.raises(ValueError, match="interp_order must be 0 or 1, got 3"):
        io.resize_image(np.zeros((4, 5, 3)), (2, 2), 3)


def test_load_image(tmp_path):
    path = tmp_path / "image.png"
    rgba = np.random.RandomState(0).randint(0, 256, (4, 5, 4)).astype(np.uint8)
    cv2.imwrite(str(path), rgba[:, :, [2, 1, 0, 3]])
    color, gray = io.load_image(path), io.load_image(path, color=False)
    np.testing.assert_allclose(color, rgba[:, :, :3] / np.float32(255), rtol=1e-6)
    np.testing.assert_allclose(gray[:, :, 0], color @ np.float32([0.2125, 0.7154, 0.0721]), rtol=1e-5)
    cv2.imwrite(str(path), np.full((2, 3), 65535, np.uint16))
    np.testing.assert_array_equal(io.load_image(path), np.ones((2, 3, 3), np.float32))
    assert io.load_image(path, color=False).shape == (2, 3, 1)
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        io.load_image(tmp_path / "none.png")


def test_messages():
    values = np.arange(24.0).reshape(2, 3, 4)
    blob = io.array_to_blobproto(values, -values)
    np.testing.assert_array_equal(io.blobproto_to_array(blob), values)
    assert io.blobproto_to_array(blob).dtype == np.float64
    np.testing.assert_array_equal(io.blobproto_to_array(blob, return_diff=True), -values)
    assert io.blobproto_to_array(BlobProto(data=[1, 2], num=1, channels=1, height=1, width=2)).shape == (1, 1, 1, 2)
    vector = io.arraylist_to_blobprotovector_str([values, values[0]])
    assert [x.shape for x in io.blobprotovector_str_to_arraylist(vector)] == [(2, 3, 4), (3, 4)]
    for array in (values, values.astype(np.uint8)):
        datum = io.array_to_datum(array, 7)
        assert datum.label == 7
        np.testing.assert_array_equal(io.datum_to_array(datum), array)
    with pytest.raises(ValueError, match=r"Incorrect array shape: .* got \(3, 4\)"):
        io.array_to_datum(values[0])


def test_transformer_and_back():
    transformer = io.Transformer({"data": (2, 3, 4, 5)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_raw_scale("data", 255)
    transformer.set_mean("data", np.array([104.0, 117.0, 123.0]))
    transformer.set_input_scale("data", 0.5)
    image = np.random.RandomState(0).rand(4, 5, 3).astype(np.float32)
    kept = image.copy()
    prepared = transformer.preprocess("data", image)
    np.testing.assert_allclose(prepared[0], (image[:, :, 2] * 255 - 104) / 2, rtol=1e-5, atol=1e-4)
    back = transformer.deprocess("data", prepared)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, image, atol=1e-6)
    np.testing.assert_array_equal(image, kept)
    assert transformer.preprocess("data", np.zeros((9, 9, 3))).shape == (3, 4, 5)
    transformer.set_mean("data", np.random.RandomState(0).rand(3, 8, 8))
    assert transformer.mean["data"].shape == (3, 4, 5)


def test_transformer_of_vectors_and_volumes():
    transformer = io.Transformer({"vector": (2, 4), "volume": (1, 2, 3, 4, 5)})
    transformer.set_mean("vector", np.arange(4.0))
    transformer.set_channel_swap("vector", (3, 2, 1, 0))
    transformer.set_input_scale("vector", 2)
    vector = np.float32([7, 8, 9, 10])
    prepared = transformer.preprocess("vector", vector)
    assert prepared.tolist() == [20, 16, 12, 8]
    np.testing.assert_array_equal(transformer.deprocess("vector", prepared), vector)
    with pytest.raises(ValueError, match=r"vector takes arrays of 1 axes, got shape \(2, 3, 4\)"):
        transformer.preprocess("vector", np.zeros((2, 3, 4)))
    transformer.set_transpose("volume", (3, 0, 1, 2))
    assert transformer.preprocess("volume", np.zeros((6, 4, 5, 2))).shape == (2, 3, 4, 5)


def test_scikit_image_through_io(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(AttributeError, match=r"caffe\.io\.skimage is scikit-image: pip install scikit-image"):
        _ = io.skimage
    whole, part = ModuleType("skimage"), ModuleType("skimage.io")
    monkeypatch.setitem(sys.modules, "skimage", whole)
    monkeypatch.setitem(sys.modules, "skimage.io", part)
    assert io.skimage is whole
    with pytest.raises(AttributeError, match=r"module 'caffe\.io' has no attribute 'resise'"):
        _ = io.resise


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("set_mean", ("x", np.zeros(3)), "x is not one of the net inputs: data"),
        ("set_transpose", ("data", (1, 0)), r"Transpose order .*data has 3, got \(1, 0\)"),
        ("set_channel_swap", ("data", (1, 0)), r"Channel swap .*data has 3, got \(1, 0\)"),
        ("set_mean", ("data", np.zeros(4)), "Mean channels incompatible with input: data has 3, got 4"),
        ("set_mean", ("data", np.zeros((1, 1, 1, 1))), r"Mean shape invalid: .* got \(1, 1, 1, 1\)"),
    ],
)
def test_transformer_refuses(call, arguments, message):
    with pytest.raises(Exception, match=message):
        getattr(io.Transformer({"data": (2, 3, 4, 5)}), call)(*arguments)

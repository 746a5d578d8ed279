"""Input, DummyData, Parameter, MemoryData: what they refuse, and what the parity cases do not show."""

import numpy as np
import pytest

from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.proto.caffe_pb2 import Datum
from tests.runtime.layers.one_layer import one_layer

SIZES = "batch_size: 2 channels: 3 height: 2 width: 1"


@pytest.mark.parametrize(
    ("kind", "param", "message"),
    [
        ("Input", "shape { dim: 1 } shape { dim: 2 }", "takes no shape, one, or one for each of its 3 tops, got 2"),
        ("DummyData", "", "takes shape once, or once for each of its 3 tops, got 0"),
        ("DummyData", "shape { dim: 1 } shape { dim: 2 }", "takes shape once, or once for each of its 3 tops, got 2"),
        ("DummyData", "shape { dim: 1 } num: 1", "takes either shape or num, channels, height, width, not both"),
        ("DummyData", "num: 1", "takes channels once, or once for each of its 3 tops, got 0"),
        (
            "DummyData",
            "shape { dim: 1 } data_filler { } data_filler { }",
            "takes data_filler once, or once for each of its 3 tops, got 2",
        ),
        (
            "DummyData",
            'shape { dim: 1 } data_filler { type: "nope" }',
            'data_filler 0: unknown filler "nope"; known: bilinear, constant, .*',
        ),
    ],
)
def test_refused(kind, param, message):
    field = {"Input": "input_param", "DummyData": "dummy_data_param"}[kind]
    with pytest.raises(LayerError, match=f'^layer "l" \\({kind}\\): {message}$'):
        one_layer(kind, f"{field} {{ {param} }}", tops=3)


def test_dummy_data_refills_what_is_random():
    fillers = 'data_filler { value: 2 } data_filler { type: "gaussian" std: 1 }'
    layer, bottom, top = one_layer("DummyData", f"dummy_data_param {{ shape {{ dim: 9 }} {fillers} }}", tops=2)
    rng.seed(3)
    layer.forward(bottom, top)
    first = np.array(top[1].data)
    top[0].data[...] = 5
    layer.forward(bottom, top)
    assert (top[0].data == 5).all(), "a constant is filled in once"
    assert (top[1].data != first).all()
    rng.seed(3)
    layer.forward(bottom, top)
    np.testing.assert_array_equal(top[1].data, first)


def test_dummy_data_filler_refused_in_forward():
    param = 'dummy_data_param { shape { dim: 9 } data_filler { type: "uniform" min: 2 max: 1 } }'
    layer, bottom, top = one_layer("DummyData", param)
    with pytest.raises(LayerError, match=r"top\[0\]: uniform filler: min must not exceed max"):
        layer.forward(bottom, top)


def test_parameter_is_its_top():
    layer, bottom, top = one_layer("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }")
    assert [blob.shape for blob in layer.blobs] == [(2, 3)]
    layer.blobs[0].data[...] = 4
    layer.forward(bottom, top)
    top[0].diff[...] = 7
    layer.backward(top, [], bottom)
    assert (top[0].data == 4).all()
    assert (layer.blobs[0].diff == 7).all(), "written, not added to"


def memory(extra=""):
    return one_layer("MemoryData", f"memory_data_param {{ {SIZES} }} {extra}", tops=2)


def test_memory_data_goes_round():
    layer, bottom, top = memory()
    assert [blob.shape for blob in top] == [(2, 3, 2, 1), (2,)]
    data, labels = np.arange(36, dtype=np.float32).reshape(6, 3, 2, 1), np.arange(6, dtype=np.float32)
    layer.reset(data, labels.reshape(6, 1, 1, 1), 6)
    for first in (0, 2, 4, 0):
        layer.forward(bottom, top)
        np.testing.assert_array_equal(top[0].data, data[first : first + 2])
        assert top[1].shape == (2, 1, 1, 1)
        np.testing.assert_array_equal(top[1].data.ravel(), labels[first : first + 2])
    data[2:] = -1  # the arrays are not copied
    layer.forward(bottom, top)
    assert (top[0].data == -1).all()


def test_memory_data_refuses():
    with pytest.raises(LayerError, match="batch_size, channels, height and width must be positive, got 2, 0, 0, 0"):
        one_layer("MemoryData", "memory_data_param { batch_size: 2 }", tops=2)
    layer, bottom, top = memory()
    with pytest.raises(LayerError, match=r"has no data: call net\.set_input_arrays"):
        layer.forward(bottom, top)
    for data, labels, message in (
        ((3, 3, 2, 1), 3, "takes a multiple of batch_size 2 items, got 3"),
        ((0, 3, 2, 1), 0, "takes a multiple of batch_size 2 items, got 0"),
        ((4, 3, 1, 2), 4, r"takes data of shape \(4, 3, 2, 1\) and 4 labels, got shapes \(4, 3, 1, 2\) and \(4,\)"),
        ((4, 3, 2, 1), 3, r"takes data .* and 4 labels, got shapes .* and \(3,\)"),
    ):
        with pytest.raises(LayerError, match=message):
            layer.reset(np.zeros(data, np.float32), np.zeros(labels, np.float32), data[0])


def test_memory_data_warns_that_arrays_are_not_transformed(caplog):
    layer, _, _ = memory("transform_param { scale: 2 }")
    layer.reset(np.zeros((2, 3, 2, 1), np.float32), np.zeros(2, np.float32), 2)
    assert 'layer "l": transform_param does not apply to arrays' in caplog.text


def test_memory_data_transforms_datums():
    layer, bottom, top = memory("transform_param { scale: 0.5 mean_value: 1 }")
    datums = [Datum(channels=3, height=2, width=1, data=bytes(range(i, i + 6)), label=i) for i in range(4)]
    layer.add(datums)
    with pytest.raises(LayerError, match="cannot add items until the ones added before have been read"):
        layer.add(datums)
    with pytest.raises(LayerError, match="cannot change batch_size until the ones added before have been read"):
        layer.set_batch_size(4)
    for first in (0, 2):
        layer.forward(bottom, top)
        np.testing.assert_array_equal(top[1].data.ravel(), [first, first + 1])
        np.testing.assert_array_equal(top[0].data[0].ravel(), (np.arange(first, first + 6) - 1) / 2)
    layer.set_batch_size(4)
    layer.add(datums)
    layer.forward(bottom, top)
    assert top[0].shape == (4, 3, 2, 1)
    for wrong, message in (
        (datums[:1], "takes a multiple of batch_size 4 items, got 1"),
        (
            [Datum(channels=3, height=1, width=1, data=b"abc")] * 4,
            r"an item becomes of shape \(3, 1, 1\), its batch .*",
        ),
    ):
        with pytest.raises(LayerError, match=message):
            layer.add(wrong)

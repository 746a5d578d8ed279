"""Layers on blobs that tell an address on a GPU, as a Caffe newer than 1.0 does. The memory is the host's here."""

import ctypes
import importlib.util
import math

import numpy as np
import pytest

from caffe_pylayers._layer import device_blobs
from caffe_pylayers._layer.device_blobs import DeviceBlob, DeviceBlobs, DeviceMemory, show_learned, shown
from caffe_pylayers.one_hot import label2one_hot
from caffe_pylayers.pyloss import EuclideanLossLayer
from caffe_pylayers.testing import LayerRun

LIBRARIES = ["numpy", *(["torch"] if importlib.util.find_spec("torch") else [])]


class StandIn:
    """A blob of such a Caffe: its values are on the device, and must not be asked for on the host."""

    def __init__(self, values):
        values = np.array(values, np.float32)
        self._memory = [values.ravel().copy(), np.full(values.size, np.nan, np.float32)]
        self.shape = list(values.shape)

    @property
    def data(self):
        raise AssertionError("a copy to the host")

    diff = data
    _gpu_data_ptr = property(lambda self: self._memory[0].ctypes.data)
    _gpu_diff_ptr = property(lambda self: self._memory[1].ctypes.data)
    count = property(lambda self: math.prod(self.shape))

    def reshape(self, *shape):
        if math.prod(shape) > self._memory[0].size:
            self._memory = [np.full(math.prod(shape), np.nan, np.float32) for _ in range(2)]
        self.shape = list(shape)

    def values(self, which=0):
        return self._memory[which][: self.count].reshape(self.shape)


class Vector:
    """A vector of blobs, to be indexed and counted."""

    def __init__(self, blobs):
        self.blobs = blobs

    def __len__(self):
        return len(self.blobs)

    def __getitem__(self, index):
        return self.blobs[index]


@pytest.fixture(params=LIBRARIES)
def library(request, monkeypatch):
    """The arrays that are made at an address: this library's."""

    def at(address, shape):
        memory = (ctypes.c_float * math.prod(shape)).from_address(address)
        array = np.ctypeslib.as_array(memory).reshape(shape)
        return array if request.param == "numpy" else pytest.importorskip("torch").from_numpy(array)

    monkeypatch.setattr(device_blobs, "WANTED", True)
    monkeypatch.setattr(device_blobs, "tensor_at", at)
    return request.param


def on_device(cls, bottoms, **options):
    """Forward and backward on stand-ins, and on arrays; gives the tops and the gradients of both."""
    run = LayerRun(cls, bottoms, dtype=np.float32, **options)
    tops = [np.array(top) for top in run.forward()]
    diffs = [np.array(diff) for diff in run.backward([np.full_like(top, 2) for top in tops])]
    layer = LayerRun(cls, bottoms, dtype=np.float32, **options).layer
    bottom, top = Vector([StandIn(x) for x in bottoms]), Vector([StandIn(0) for _ in tops])
    layer._planned_for = None
    layer.reshape(bottom, top)
    layer.forward(bottom, top)
    for blob in top.blobs:
        blob.values(1)[...] = 2
    layer.backward(top, [True] * len(bottom), bottom)
    return layer, (tops, diffs), ([x.values() for x in top.blobs], [x.values(1) for x in bottom.blobs])


def test_the_posts_layers(library):
    labels, scores = [0, 2, 1], np.arange(12).reshape(3, 4)
    for cls, bottoms in ((label2one_hot, [labels, scores]), (EuclideanLossLayer, [scores, scores[::-1] / 3])):
        layer, wanted, found = on_device(cls, bottoms)
        assert layer.xp.__name__ == library
        for ours, theirs in zip(wanted, found):
            for one, other in zip(ours, theirs):
                np.testing.assert_allclose(other, one, rtol=1e-6)


def test_values_are_checked_at_once(library):
    layer = LayerRun(label2one_hot, [[0, 1], np.zeros((2, 4))]).layer
    layer._planned_for = None
    bottom, top = Vector([StandIn([0, 9]), StandIn(np.zeros((2, 4)))]), Vector([StandIn(0)])
    layer.reshape(bottom, top)
    with pytest.raises(ValueError, match=r"^label2one_hot: label 9 at index 1 is outside \[0, 4\)"):
        layer.forward(bottom, top)


def test_learned_blobs(library):
    class Engine:
        array_api = True
        made = Vector([StandIn([[1, 2]])])
        blobs = property(lambda self: self.made)

    class Layer(Engine):
        pass

    show_learned(Layer)
    learned = Layer().blobs
    learned[0].data[...] = 5
    assert [blob.shape for blob in learned] == [(1, 2)]
    assert (Engine.made[0].values() == 5).all()
    Layer.array_api = False
    assert Layer().blobs is Engine.made


def test_what_is_shown():
    class Host:
        data = diff = None

    class Instance:  # the runtime's blobs have an address by __getattr__ alone
        def __getattr__(self, name):
            raise AssertionError(name)

    for others in ([], [True, False], [Host()], [Instance()]):
        assert shown(others) is others
    blobs = shown(Vector([StandIn([1]), StandIn([2]), StandIn([3])]))
    assert shown(blobs) is blobs
    assert isinstance(blobs[0], DeviceBlob)
    assert isinstance(blobs[1:], DeviceBlobs)
    assert len(blobs[1:]) == 2
    assert blobs[2].count == 1


def test_the_interface_is_that_of_cuda_arrays():
    assert DeviceMemory(4096, (2, 3)).__cuda_array_interface__ == {
        "shape": (2, 3),
        "typestr": "<f4",
        "data": (4096, False),
        "strides": None,
        "version": 2,
    }


@pytest.mark.skipif(len(LIBRARIES) > 1, reason="there is PyTorch")
def test_without_pytorch_the_message_says_what_it_needs():
    with pytest.raises(ImportError, match="CAFFE_PYLAYERS_GPU_BLOBS=1 needs PyTorch with CUDA"):
        device_blobs.tensor_at(4096, (1,))

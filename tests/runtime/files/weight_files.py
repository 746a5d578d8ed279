"""A net with every kind of learned blob, its weights, and files of them in old formats."""

import numpy as np

from caffe_pylayers.runtime import Net
from caffe_pylayers.runtime.proto.caffe_pb2 import NetParameter

NET = """
name: "net"
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 2 dim: 3 dim: 5 dim: 5 } shape { dim: 2 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 2 decay_mult: 0.5 }
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scalar" type: "Scale" bottom: "conv" top: "scalar" scale_param { num_axes: 0 } }
layer { name: "a" type: "InnerProduct" bottom: "scalar" top: "a" param { name: "w" } param { }
        inner_product_param { num_output: 3 } }
layer { name: "b" type: "InnerProduct" bottom: "scalar" top: "b" param { name: "w" } param { }
        inner_product_param { num_output: 3 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "sum" bottom: "label" top: "loss" }
"""
SHAPES = {
    "conv": [(4, 3, 3, 3), (4,)],
    "bn": [(4,), (4,), (1,)],
    "scalar": [()],
    "a": [(3, 36), (3,)],
    "b": [(3, 36), (3,)],
}
SHARED = ("b", 0)


def make_net(folder, text=NET):
    path = folder / "net.prototxt"
    path.write_text(text)
    return Net(str(path), 0)


def fill(net, seed=1):
    rng = np.random.default_rng(seed)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.standard_normal(blob.shape)
            blob.diff[...] = rng.standard_normal(blob.shape)
    return net


def values(net, kind="data"):
    return {
        (name, i): np.array(getattr(blob, kind)) for name, blobs in net.params.items() for i, blob in enumerate(blobs)
    }


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, array in ours.items():
        np.testing.assert_array_equal(array, theirs[key], err_msg=str(key))


def write(path, message):
    path.write_bytes(message.SerializeToString())
    return path


def old_blob(blob, array, double=False):
    """As Caffe wrote it before blobs had shapes."""
    sizes = (1,) * (4 - array.ndim) + array.shape
    blob.num, blob.channels, blob.height, blob.width = sizes
    (blob.double_data if double else blob.data).extend(array.ravel().tolist())


def old_models(net):
    """The net's caffemodel in the formats V0 and V1, and with values of double precision, unpacked ones."""
    found = {kind: NetParameter(name="old") for kind in ("v0", "v1", "double", "unpacked")}
    for layer, blobs in net.params.items():
        arrays = [np.array(blob.data) for blob in blobs]
        v0 = found["v0"].layers.add(top=[layer]).layer
        v0.name, v0.type = layer, "conv"
        v1 = found["v1"].layers.add(name=layer, type="POWER")
        double, unpacked = found["double"].layer.add(name=layer), found["unpacked"].layer.add(name=layer)
        for array in arrays:
            old_blob(v0.blobs.add(), array)
            old_blob(v1.blobs.add(), array)
            old_blob(double.blobs.add(), array, double=True)
            raw = b"".join(b"\x2d" + value.tobytes() for value in array.ravel())
            blob = unpacked.blobs.add()
            blob.MergeFromString(raw)
            blob.shape.dim.extend(array.shape)
    return found

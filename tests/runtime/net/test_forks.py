"""Nets of forks on the runtime: what their layers are called, learn and save."""

import re

import numpy as np
import pytest

from caffe_pylayers import pycaffe
from caffe_pylayers._nets import check, prototxt
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.proto import caffe_pb2

NET = """
input: "data" input_shape { dim: 1 dim: 4 dim: 6 dim: 6 }
layer { name: "conv" type: "ConvolutionDepthwise" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 engine: MKLDNN weight_filler { type: "xavier" } } }
layer { name: "shuffle" type: "ShuffleChannel" bottom: "conv" top: "shuffle" shuffle_channel_param { group: 2 } }
layer { name: "norm" type: "Normalize" bottom: "shuffle" top: "norm"
  norm_param { channel_shared: false scale_filler { value: 20 } } }
layer { name: "order" type: "Permute" bottom: "norm" top: "order" permute_param { order: 0 order: 2 order: 3 } }
layer { name: "prior" type: "PriorBox" bottom: "order" bottom: "data" top: "prior" prior_box_param { min_size: 2 } }
"""


def test_a_net_of_a_fork_runs(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    net = pycaffe.Net(str(path), pycaffe.TEST)
    net.blobs["data"].data[...] = np.random.RandomState(0).rand(1, 4, 6, 6)
    net.forward()
    types = [layer.type for layer in net.layers if layer.type != "Split"]
    assert types == ["Input", "ConvolutionDepthwise", "ShuffleChannel", "Normalize", "Permute", "PriorBox"]
    assert {name: blobs[0].data.shape for name, blobs in net.params.items()} == {"conv": (4, 1, 3, 3), "norm": (4,)}
    shuffled = net.blobs["shuffle"].data
    assert net.blobs["order"].data == pytest.approx(
        (20 * shuffled / np.sqrt((shuffled**2).sum())).transpose(0, 2, 3, 1), rel=1e-5
    )
    assert net.blobs["prior"].data.shape == (1, 2, 6 * 4 * 4)
    weights = tmp_path / "net.caffemodel"
    net.save(str(weights))
    again = pycaffe.Net(str(path), pycaffe.TEST, weights=str(weights))
    assert np.array_equal(again.params["norm"][0].data, net.params["norm"][0].data)
    model = caffe_pb2.NetParameter.FromString(weights.read_bytes())
    assert [layer.type for layer in model.layer if layer.blobs] == ["ConvolutionDepthwise", "Normalize"]
    assert pycaffe.Net(prototxt.read_net(path), pycaffe.TEST).forward().keys() == net.forward().keys()


def test_sphereface_by_hand(tmp_path):
    """lambda is 5: the label's entry is (|x| psi + 5 |x| cos) / 6, psi = -1.1568 at cos 0.6."""
    path = tmp_path / "face.prototxt"
    path.write_text(
        'input: "x" input_shape { dim: 1 dim: 2 } input: "label" input_shape { dim: 1 } '
        "layer { name: 'ip' type: 'MarginInnerProduct' bottom: 'x' bottom: 'label' top: 'ip' top: 'lambda' "
        "margin_inner_product_param { num_output: 2 type: QUADRUPLE base: 5 } }"
    )
    net = pycaffe.Net(str(path), pycaffe.TRAIN)
    net.params["ip"][0].data[...] = [[2, 0], [0, 5]]
    net.blobs["x"].data[...] = [[3, 4]]
    net.forward()
    assert net.blobs["lambda"].data == pytest.approx(5)
    assert net.blobs["ip"].data.ravel() == pytest.approx([1.536, 4], rel=1e-5)


# --- weights ---------------------------------------------------------------------------------------

NORM = """
input: "data" input_shape { dim: 1 dim: 4 dim: 2 dim: 2 }
layer { name: "norm" type: "Normalize" bottom: "data" top: "norm" norm_param { channel_shared: false } }
"""


def norm_net(tmp_path, model):
    """A net with a Normalize of four scales, and a caffemodel for it."""
    net, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net.write_text(NORM)
    weights.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return pycaffe.Net(str(net), pycaffe.TEST, weights=str(weights))


def model_of(shape):
    model = caffe_pb2.NetParameter()
    model.layer.add(name="norm", type="Normalize").blobs.add(data=[1, 2, 3, 4]).shape.dim.extend(shape)
    return model


@pytest.mark.parametrize("shape", [(4,), (1, 4, 1, 1), (1, 1, 1, 4)])
def test_a_vector_in_the_shape_of_an_older_file(tmp_path, shape):
    assert norm_net(tmp_path, model_of(shape)).params["norm"][0].data.tolist() == [1, 2, 3, 4]


def test_a_vector_of_hdf5_in_the_shape_of_an_older_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    net = norm_net(tmp_path, model_of((4,)))
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.create_group("data/norm").create_dataset("0", data=np.array([5, 6, 7, 8.0]).reshape(1, 4, 1, 1))
    net.copy_from(str(tmp_path / "old.h5"))
    assert net.params["norm"][0].data.tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2, 1)])
def test_a_matrix_is_no_vector(tmp_path, shape):
    with pytest.raises(ValueError, match=r"blob 0 has shape \(.*, the net's \(4,\)"):
        norm_net(tmp_path, model_of(shape))


BN = """
input: "data" input_shape { dim: 2 dim: 3 }
layer { name: "bn" type: "BN" bottom: "data" top: "bn" }
"""


def bn_net(tmp_path, **arguments):
    path = tmp_path / "bn.prototxt"
    path.write_text(BN)
    return pycaffe.Net(str(path), pycaffe.TEST, **arguments)


@pytest.mark.parametrize("file", ["bn.caffemodel", "bn.caffemodel.h5"])
def test_a_layer_that_its_weights_tell(tmp_path, file):
    """A BN without fields is PSPNet's; two blobs are SegNet's, which has no running statistics."""
    assert len(bn_net(tmp_path).params["bn"]) == 4
    path = tmp_path / file
    if file.endswith("h5"):
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as stored:
            for i, value in enumerate((2.0, 1.0)):
                stored[f"data/bn/{i}"] = np.full((1, 3), value)
    else:
        model = caffe_pb2.NetParameter(name="net")
        layer = model.layer.add(name="bn", type="BN")
        for value in (2, 1):
            layer.blobs.add(data=[value] * 3).shape.dim.extend((1, 3))
        path.write_bytes(model.SerializeToString())
    net = bn_net(tmp_path, weights=str(path))
    assert [blob.data.tolist() for blob in net.params["bn"]] == [[[2, 2, 2]], [[1, 1, 1]]]
    net.blobs["data"].data[...] = [[1, 2, 3], [3, 2, 1]]
    net.forward()
    assert net.blobs["bn"].data == pytest.approx(np.array([[-1, 1, 3], [3, 1, -1]]), abs=1e-4)


@pytest.mark.parametrize(
    ("param", "shapes", "message"),
    [
        (
            "bn_param { slope_filler { value: 1 } bias_filler { value: 0 } }",
            [(1, 3)] * 2,
            r'n.prototxt: layer "bn" \(BN\): with 2 learned blobs, as its weights have them, it takes no '
            r"bn_param.slope_filler and no bn_param.bias_filler; are these weights of this net\?",
        ),
        (
            "bn_param { bn_mode: INFERENCE }",
            [(1, 3)] * 4,
            r"with 4 learned blobs, .* it takes no bn_param.bn_mode",
        ),
        (
            "bn_param { bn_mode: INFERENCE var_eps: 1 }",
            [(1, 3)] * 2,
            "nothing here does what bn_param.var_eps asks",
        ),
        ("", [()] * 4, r'layer "bn", blob 0 has shape \(\), the net\'s \(1, 3, 1, 1\)'),
        ("", [(1, 3)] * 3, r'n.caffemodel: layer "bn" has 3 blobs, the net\'s 4'),
    ],
)
def test_weights_of_another_bn(tmp_path, param, shapes, message):
    net, weights = tmp_path / "n.prototxt", tmp_path / "n.caffemodel"
    net.write_text(BN.replace('top: "bn"', f'top: "bn" {param}'))
    model = caffe_pb2.NetParameter()
    layer = model.layer.add(name="bn", type="BN")
    for shape in shapes:
        blob = layer.blobs.add(data=[1] * int(np.prod(shape)))
        blob.shape.SetInParent()
        blob.shape.dim.extend(shape)
    weights.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=message):
        pycaffe.Net(str(net), pycaffe.TEST, weights=str(weights))


def test_a_file_whose_fields_have_other_numbers(tmp_path):
    """A fork's field may have the number of a message of Caffe's: its bytes are none of that message."""
    layer = model_of((4,)).layer[0].SerializeToString()
    number = caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name["convolution_param"].number
    text = b"\xff\xff no message"
    layer += bytes([number % 128 << 3 & 0x7F | 2 | 0x80, number >> 4, len(text)]) + text
    model = b"\xa2\x06" + bytes([len(layer)]) + layer
    with pytest.raises(Exception, match="Error parsing"):
        caffe_pb2.NetParameter.FromString(model)
    assert norm_net(tmp_path, model).params["norm"][0].data.tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="no caffemodel, or not a whole one"):
        norm_net(tmp_path, model[:-8])


def test_all_types_that_nothing_here_does_are_named():
    text = "".join(
        f"layer {{ name: '{name}' type: '{kind}' top: '{name}' }}"
        for name, kind in [("a", "DenseCRF"), ("b", "CPMData"), ("c", "DomainTransform")]
    )
    param = prototxt.parse_net(text, messages=caffe_pb2)
    with pytest.raises(
        ValueError,
        match=r'^unknown layer types of hszhao/PSPNet: DenseCRF \(layer "a": not yet\), '
        r'DomainTransform \(layer "c": not yet\); of CMU.*: CPMData \(layer "b": not yet\)$',
    ):
        pycaffe.Net(param, pycaffe.TEST)


@pytest.mark.parametrize(
    ("layer", "message", "by_check"),  # which knows no shapes
    [
        ('"Reorg"', r"reorg_param.stride is required: an integer >= 1 \(b, the side of a block, in pixels\)", True),
        (
            '"Reorg" reorg_param { stride: 5 }',
            r"bottom\[0\] must have maps divisible by block 5, got \(1, 4, 6, 6\); block is reorg_param.stride",
            False,
        ),
        ('"Interp" interp_param { height: 3 width: 0 }', "interp_param.width must be an integer >= 1, got 0", True),
        (
            '"Permute" permute_param { order: 9 }',
            r"order \[9\] must have axes of bottom\[0\] of .* twice",
            False,
        ),
        (
            '"SmoothL1Loss" bottom: "data" smoothl1_param { turn_point: -2 }',
            "smoothl1_param.turn_point must be a number > 0, got -2.0",
            True,
        ),
        ('"ReLU6" bottom: "data"', r"needs 1 bottom \(x\), got 2", False),
    ],
)
def test_what_a_layer_of_a_fork_refuses(tmp_path, layer, message, by_check):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 1 dim: 4 dim: 6 dim: 6 }\n'
        f'layer {{ name: "a" bottom: "data" top: "a" type: {layer} }}'
    )
    kind = layer.split('"')[1]
    with pytest.raises(LayerError, match=rf'^{path}: layer "a" \({kind}\): {message}$'):
        pycaffe.Net(str(path), pycaffe.TEST)
    problems = check.problems(prototxt.read_net(path), path)
    assert len(problems) == by_check
    assert all(re.match(rf'{path}: layer "a" \({kind}\): {message}$', problem) for problem in problems)

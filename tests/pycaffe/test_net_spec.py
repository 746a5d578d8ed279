"""Nets written in Python, where blobs lie over each other, and their pictures."""

import shutil

import numpy as np
import pytest
from google.protobuf import text_format

from caffe_pylayers import pycaffe
from caffe_pylayers.pycaffe import coord_map, draw, net_spec
from caffe_pylayers.pycaffe.net_spec import NetSpec, Top, to_proto
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST, TRAIN, NetParameter

L, P = net_spec.layers, net_spec.params


def small():
    n = NetSpec()
    n.data, n.label = L.DummyData(shape=[{"dim": [2, 1, 9, 9]}, {"dim": 2}], ntop=2, include={"phase": TRAIN})
    n.conv = L.Convolution(n.data, kernel_size=3, num_output=4, weight_filler={"type": "xavier"}, param={"lr_mult": 2})
    n.conv.fn.params["bias_filler"] = {}  # sets nothing, as in pycaffe
    n.pool = L.Pooling(n.conv, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.relu = L.ReLU(n.pool, in_place=True)
    n["py"] = L.Python(n.relu, python_param={"module": "m", "layer": "Layer"}, loss_weight=1)
    n.quiet = L.Silence(n.label, ntop=0)
    return n


def test_names_fields_and_order():
    net = small().to_proto()
    assert [(layer.name, layer.type) for layer in net.layer] == [
        ("data", "DummyData"),
        ("conv", "Convolution"),
        ("pool", "Pooling"),
        ("relu", "ReLU"),
        ("py", "Python"),
        ("quiet", "Silence"),
    ]
    conv, pool, relu, py = net.layer[1:5]
    assert (list(conv.convolution_param.kernel_size), conv.param[0].lr_mult) == ([3], 2)
    assert not conv.convolution_param.HasField("bias_filler")
    assert pool.pooling_param.pool == P.Pooling.MAX == 0
    assert list(relu.top) == list(relu.bottom) == ["pool"]
    assert list(py.loss_weight) == [1]


def test_made_up_names_and_a_net_that_runs():
    data = L.Input(shape={"dim": [2, 3]})
    proto = to_proto(L.ReLU(L.InnerProduct(data, num_output=4), in_place=True), L.Power(data, power=2))
    assert [layer.name for layer in proto.layer] == ["Input1", "InnerProduct1", "ReLU1", "Power1"]
    assert pycaffe.Net(proto, TEST).forward().keys() == {"InnerProduct1", "Power1"}


def test_refused():
    tops = L.DummyData(ntop=2)
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <class 'tuple'>\)$"):
        L.Silence(tops, ntop=0)
    with pytest.raises(AttributeError, match="LayerParameter has no field numoutput"):
        L.InnerProduct(tops[0], numoutput=3).to_proto()
    with pytest.raises(AttributeError, match="no blob conv9 has been assigned"):
        getattr(small(), "conv9")  # noqa: B009 - a statement of its own
    with pytest.raises(KeyError, match="no blob conv9 has been assigned"):
        small()["conv9"]
    assert not hasattr(small(), "conv9")
    with pytest.raises(AttributeError, match="there is no PoolParameter"):
        getattr(P, "Pool")  # noqa: B009


def test_through_caffe():
    assert pycaffe.layers is L
    assert pycaffe.params is P
    assert isinstance(pycaffe.layers.Input(shape={"dim": 1}), Top)


def test_coordinates():
    data = L.Input(shape={"dim": [1, 3, 100, 100]})
    pooled = L.Pooling(L.Convolution(data, kernel_size=3, pad=10, num_output=1), kernel_size=2, stride=2)
    up = L.Deconvolution(pooled, convolution_param={"kernel_size": 4, "stride": 2, "num_output": 1})
    axis, scale, shift = coord_map.coord_map_from_to(up, data)
    assert (axis, scale, shift) == (1, 1, -10)
    layer = coord_map.crop(up, data).to_proto().layer[-1]
    assert (layer.crop_param.axis, list(layer.crop_param.offset)) == (2, [10])
    with pytest.raises(AssertionError, match="scale mismatch on crop"):
        coord_map.crop(pooled, data)
    with pytest.raises(RuntimeError, match="Could not compute map between tops"):
        coord_map.coord_map_from_to(L.InnerProduct(data, num_output=1), data)


def test_graph():
    net = small().to_proto()
    text = draw.get_pydot_graph(net, "LR", display_lrm=True).to_string()
    assert "<b>py</b></td></tr><tr><td>Python m.Layer</td>" in text
    assert draw.choose_color_by_layertype("Python") in text
    assert ">kernel size: 3, stride: 1, pad: 0, lr mult: 2.0, 1.0</font>" in text
    assert '"blob pool"' in text
    assert '"blob data"' in text
    assert draw.draw_net(net, "LR", "raw", display_lrm=True).decode() == text
    train = draw.get_pydot_graph(net, "TB", phase=TEST).to_string()
    assert "DummyData" not in train
    assert "<td>Pooling MAX</td>" in train
    conv, pool = (next(layer for layer in net.layer if layer.name == name) for name in ("conv", "pool"))
    assert draw.get_layer_label(pool, "TB") == "pool (Pooling MAX) kernel size: 2 stride: 2 pad: 0"
    assert draw.get_layer_label(conv, "LR", True).splitlines()[1:3] == ["(Convolution)", "kernel size: 3"]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_picture(tmp_path):
    path = tmp_path / "net.svg"
    draw.draw_net_to_file(text_format.Parse("layer { name: 'a: \"b\"' type: 'Split' }", NetParameter()), path)
    assert path.read_text().rstrip().endswith("</svg>")


def test_classifier_and_detector(tmp_path):
    """The mean over ten crops, the middle one, and a window with its context."""
    cv2 = pytest.importorskip("cv2")
    n = NetSpec()
    n.data = L.Input(shape={"dim": [4, 3, 6, 6]})
    n.out = L.Pooling(n.data, pool=P.Pooling.AVE, global_pooling=True)
    path, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    path.write_text(str(n.to_proto()))
    pycaffe.Net(path, TEST).save(weights)
    images = np.random.RandomState(0).rand(3, 10, 10, 3).astype(np.float32)
    classifier = pycaffe.Classifier(path, weights, image_dims=(10, 10), channel_swap=(2, 1, 0), raw_scale=255)
    middle = classifier.predict(images, oversample=False)
    np.testing.assert_allclose(middle[:, ::-1, 0, 0], 255 * images[:, 2:8, 2:8].mean((1, 2)), rtol=1e-5)
    crops = pycaffe.io.oversample(images, (6, 6)).mean((1, 2)).reshape(3, 10, 3).mean(1)
    np.testing.assert_allclose(classifier.predict(images)[:, ::-1], 255 * crops, rtol=1e-5)

    cv2.imwrite(str(tmp_path / "white.png"), np.full((20, 20, 3), 255, np.uint8))
    arguments = {"mean": np.array([10.0, 20.0, 30.0]), "raw_scale": 255, "channel_swap": (2, 1, 0)}
    detector = pycaffe.Detector(path, weights, context_pad=1, **arguments)
    inside, corner = (5, 5, 15, 15), (0, 0, 8, 8)
    found = detector.detect_windows([(tmp_path / "white.png", [inside, corner])])
    assert [entry["window"] for entry in found] == [inside, corner]
    np.testing.assert_allclose(found[0]["prediction"].ravel(), [245, 235, 225], rtol=1e-4)
    assert (found[1]["prediction"].ravel() < [200, 190, 180]).all()  # the mean, which becomes 0, around the corner


@pytest.mark.parametrize("kind", ["Classifier", "Detector"])
def test_a_net_without_inputs(tmp_path, kind):
    n = NetSpec()
    n.data = L.DummyData(shape={"dim": [1, 3, 2, 2]})
    path, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    path.write_text(str(n.to_proto()))
    pycaffe.Net(path, TEST).save(weights)
    with pytest.raises(
        ValueError, match=rf"^{kind} needs a net with an input, .*net\.prototxt has none: take its deploy"
    ):
        getattr(pycaffe, kind)(path, weights)

"""Net: its arguments, its blobs and layers, and its runs."""

import os
import re

import numpy as np
import pytest

from caffe_pylayers import pycaffe
from caffe_pylayers._disk import hdf5
from caffe_pylayers.runtime.layers.layer import LayerError

TWO_OF_A_NAME = """
layer { name: "in" type: "Input" top: "data" top: "label" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "x" param { lr_mult: 0 } param { lr_mult: 0 }
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "a" type: "Scale" bottom: "x" top: "y" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }
"""


def test_two_layers_of_one_name(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(TWO_OF_A_NAME)
    net = pycaffe.Net(path, pycaffe.TRAIN)
    net.blobs["data"].data[...] = 1
    net.clear_param_diffs()
    net.forward()
    net.backward()
    weight, bias, scale = net.learnable
    assert not weight.diff.any()
    assert not bias.diff.any()
    assert scale.diff.any()


ROW = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
CHAIN = ROW + 'layer { name: "p" type: "Power" bottom: "x" top: "y" }\n'


def make(tmp_path, text, **arguments):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return pycaffe.Net(path, pycaffe.TRAIN, **arguments)


def test_layers_that_the_net_does_not_have(tmp_path):
    net = make(tmp_path, CHAIN)
    for first, last in ((-1, 1), (0, 2), (0, -1)):
        message = f"^layers {first} to {last}: the net has layers 0 to 1$"
        with pytest.raises(IndexError, match=message):
            net._forward(first, last)
        with pytest.raises(IndexError, match=message):
            net._backward(last, first)
    assert net._forward(1, 0) == 0, "none, as in Caffe"
    net._backward(0, 1)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, RuntimeError, "Could not open file {}: No such file or directory"),
        (b"nonsense", ValueError, "{}: no caffemodel, or not a whole one"),
        (hdf5.SIGNATURE + bytes(99), ValueError, "{}: not what is expected, or not a whole one: .*"),
    ],
)
def test_weights_that_cannot_be_read_are_told_before_the_net_is_made(tmp_path, monkeypatch, content, error, message):
    monkeypatch.setattr("caffe_pylayers.runtime.net.net.Graph", lambda *_: pytest.fail("the net is made"))
    path = tmp_path / "weights"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=f"^{message.format(path)}$"):
        make(tmp_path, CHAIN, weights=path)


GIVEN = ROW + 'layer { name: "l" type: "%s" bottom: "x" top: "y" %s }'
IP = "inner_product_param { num_output: 1 } "


@pytest.mark.parametrize(
    ("kind", "param", "message"),
    [
        ("Bias", "blobs { shape { dim: 3 } data: 1 }", "blobs[0]: shape (3,) needs 3 values, got 1"),
        ("Bias", "blobs { shape { dim: 1 } data: 1 diff: [1, 2] }", "blobs[0]: shape (1,) needs 1 values, got 2"),
        (
            "Bias",
            "blobs { shape { dim: 2 } data: [1, 2] }",
            "blobs[0] must have shape (3,) as bottom[0] from axis 1, got (2,)",
        ),
        (
            "InnerProduct",
            IP + "blobs { shape { dim: 1 dim: 3 } data: [1, 2, 3] }",
            "its learned blobs must have shapes [(1, 3), (1,)], got [(1, 3)]",
        ),
    ],
)
def test_learned_values_in_a_prototxt_that_do_not_fit(tmp_path, kind, param, message):
    with pytest.raises(LayerError) as error:
        make(tmp_path, GIVEN % (kind, param))
    assert str(error.value) == f'{tmp_path}/net.prototxt: layer "l" ({kind}): {message}'


def test_learned_values_in_a_prototxt_of_four_axes(tmp_path):
    old = "num: 1 channels: 1"
    blobs = f"blobs {{ {old} height: 1 width: 3 data: [1, 2, 3] }} blobs {{ {old} height: 1 width: 1 data: 4 }}"
    net = make(tmp_path, GIVEN % ("InnerProduct", IP + blobs))
    assert [blob.data.tolist() for blob in net.params["l"]] == [[[[[1, 2, 3]]]], [[[[4]]]]], "as in Caffe"


MEMORY = """
layer { name: "in" type: "MemoryData" top: "x" top: "label"
        memory_data_param { batch_size: 2 channels: 1 height: 1 width: 3 } }
"""


def test_arrays_that_a_memory_data_layer_does_not_take(tmp_path):
    data, labels = np.zeros((4, 1, 1, 3), np.float32), np.zeros(4, np.float32)
    with pytest.raises(RuntimeError, match="only be called if the first layer is a MemoryData layer"):
        make(tmp_path, CHAIN).set_input_arrays(data, labels)
    net = make(tmp_path, MEMORY)
    for wrong, why in ((data.astype(float), "float64"), (data[..., ::2], "float32"), (data[0], r"\(1, 1, 3\)")):
        with pytest.raises(RuntimeError, match=f"data must be a C-contiguous float32 array of 4 axes, got .*{why}"):
            net.set_input_arrays(wrong, labels)
    with pytest.raises(RuntimeError, match="takes as many labels as data, got 3 and 4"):
        net.set_input_arrays(data, labels[:3])
    with pytest.raises(RuntimeError, match="takes a multiple of batch_size 2 items, got 3"):
        net.set_input_arrays(data[:3], labels[:3])


def test_an_empty_net_says_that_there_is_nothing_to_run(tmp_path):
    net = make(tmp_path, 'name: "n"\n' + ROW.replace("top:", "include { phase: TEST } top:"))
    assert repr(net) == '<Net "n": TRAIN, 0 layers, 0 parameters>'
    for call in (net.forward, net.backward, net.forward_loss, net.backward_all):
        with pytest.raises(RuntimeError, match=r'^Net "n" has no layers in phase TRAIN: there is nothing to run$'):
            call()
    with pytest.raises(RuntimeError, match="only be called if the first layer is a MemoryData layer"):
        net.set_input_arrays(np.zeros((2, 1, 1, 3), np.float32), np.zeros(2, np.float32))


def test_repr_and_the_table_of_a_notebook(tmp_path):
    net = make(tmp_path, TWO_OF_A_NAME.replace('"loss"', '"<b>"'))
    assert repr(net) == '<Net "": TRAIN, 4 layers, 15 parameters>'
    assert [repr(layer) for layer in net.layers[:2]] == [
        '<Input "in": 0 parameters>',
        '<InnerProduct "a": 12 parameters>',
    ]
    table = net._repr_html_()
    assert table.count("<tr>") == 5
    assert "<td>a</td><td>InnerProduct</td><td>data 2 x 3</td><td>x 2 x 3</td><td>3 x 3, 3</td>" in table
    assert "<caption>&lt;Net &quot;&quot;: TRAIN, 4 layers, 15 parameters&gt;</caption>" in table
    assert "<td>&lt;b&gt;</td>" in table
    assert "<b>" not in table


def test_the_kind_of_a_python_layer_is_in_the_table(tmp_path):
    text = 'layer { name: "py" type: "Python" bottom: "x" top: "y" python_param { module: "%s" layer: "Silent" } }'
    net = make(tmp_path, ROW + text % __name__)
    assert f"<td>Python {__name__}.Silent</td><td>x 2 x 3</td><td>y</td>" in net._repr_html_()


def test_arguments_of_two_forms_and_bytes(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(GIVEN % ("InnerProduct", IP))
    trained = pycaffe.Net(path, pycaffe.TEST)
    trained.params["l"][0].data[...] = [[1, 2, 3]]
    weights = tmp_path / "net.caffemodel"
    trained.save(os.fsencode(weights))
    with pytest.warns(DeprecationWarning, match="deprecated") as warned:
        old = pycaffe.Net(str(path), str(weights), pycaffe.TEST)
    assert warned[0].filename == __file__
    new = pycaffe.Net(os.fsencode(path), pycaffe.TEST, weights=os.fsencode(weights))
    for net in (old, new, pycaffe.Net(path, pycaffe.TEST, 0, None, weights)):
        assert net.params["l"][0].data.tolist() == [[1, 2, 3]]
    with pytest.raises(
        TypeError, match=r"^level must be an integer; weights are given by name: weights=\.\.\., got 'w'$"
    ):
        pycaffe.Net(path, pycaffe.TEST, "w")
    with pytest.raises(ValueError, match=r"^phase must be caffe\.TRAIN or caffe\.TEST, got 2$"):
        pycaffe.Net(path, 2)


def test_shapes_that_inputs_do_not_have(tmp_path):
    net = make(tmp_path, CHAIN)
    assert net.forward(x=[[1, 2, 3], [4, 5, 6]])["y"].tolist() == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(ValueError, match=r"^x has shape \(2, 3\), got an array of \(2, 4\)$"):
        net.forward(x=np.zeros((2, 4)))
    with pytest.raises(Exception, match=r"^x has batch size 2, got an array without axes$"):
        net.forward(x=1)


class Silent(pycaffe.Layer):
    """Gives its top no shape."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        pass


class Late(Silent):
    """Gives its top a shape in forward."""

    def forward(self, bottom, top):
        top[0].reshape(2, 3)
        top[0].data[...] = 7


class Writes(Silent):
    """Writes to its top, which has no shape."""

    def forward(self, bottom, top):
        top[0].data[...] = 7


PYTHON = ROW + 'layer { name: "py" type: "Python" bottom: "x" top: "y" python_param { module: "%s" layer: "%s" } }\n'


def test_a_top_without_a_shape(tmp_path):
    """Real Caffe ends the process where one is read; where nothing is, it goes on."""
    net = make(tmp_path, PYTHON % (__name__, "Silent"))
    assert (net.blobs["y"].shape, net.blobs["y"].count) == ((), 0)
    net._forward(0, 1)
    with pytest.raises(
        RuntimeError, match=r'^blob "y": a blob that was never reshaped has no values: call its reshape'
    ):
        net.forward()
    with pytest.raises(
        LayerError, match=r'^layer "py" \(Python\): forward: a blob that was never reshaped has no values'
    ):
        make(tmp_path, PYTHON % (__name__, "Writes")).forward()
    assert make(tmp_path, PYTHON % (__name__, "Late")).forward()["y"].tolist() == [[7] * 3] * 2


@pytest.mark.parametrize("reader", ["InnerProduct", "Concat", "Reduction"])
def test_the_layer_that_gave_no_shape_is_named(tmp_path, reader):
    bottoms = 'bottom: "x" bottom: "y"' if reader == "Concat" else 'bottom: "y"'
    text = PYTHON % (__name__, "Late") + f'layer {{ name: "r" type: "{reader}" {bottoms} top: "z" }}'
    with pytest.raises(LayerError) as error:
        make(tmp_path, text)
    assert str(error.value) == (
        f'{tmp_path}/net.prototxt: layer "py" (Python): top[0] "y", which layer "r" ({reader}) reads, has no shape: '
        "call top[0].reshape(...) in reshape"
    )


def test_a_layer_that_takes_its_shape_from_a_late_one(tmp_path):
    text = (
        PYTHON % (__name__, "Late") + 'layer { name: "p" type: "Power" bottom: "y" top: "z" power_param { scale: 2 } }'
    )
    assert make(tmp_path, text).forward()["z"].tolist() == [[14] * 3] * 2


NAMES = {  # as the text has them, and as a message does
    "\\000": "\\x00",
    "a\\nb": "\\n".join("ab"),
    "\\033[31m": "\\x1b[31m",
    "\\357\\273\\277": "\\ufeff",
    "é" * 130: "é" * 117 + "...",
}


@pytest.mark.parametrize(("written", "shown"), NAMES.items())
def test_messages_quote_any_name_on_one_line(tmp_path, written, shown):
    layer = f'layer {{ name: "{written}" type: "%s" bottom: "%s" top: "y" }}'
    for kind, bottom, message in (
        ("ReLU", written, f'layer "{shown}" (ReLU): no layer before it makes its bottom "{shown}"'),
        ("Scal", "x", f'unknown layer type "Scal" (did you mean Scale?) (layer "{shown}"); known: '),
        ("Permuet", "x", f'unknown layer type "Permuet" (did you mean Permute?) (layer "{shown}"); known: '),
        ("relu", "x", f'unknown layer type "relu" (did you mean ReLU?) (layer "{shown}"); known: '),
        (written, "x", f'unknown layer type "{shown}" (layer "{shown}"); known: '),
        ("", "x", f'layer "{shown}": has no type'),
        ("Crop", "x", f'layer "{shown}" (Crop): takes 2 bottoms, got 1'),
    ):
        with pytest.raises(ValueError, match=f"^{tmp_path}/net.prototxt: {re.escape(message)}") as caught:
            make(tmp_path, ROW + layer % (kind, bottom))
        assert str(caught.value).isprintable()
    net = make(tmp_path, ROW + layer % ("ReLU", "x"))
    with pytest.raises(KeyError) as caught:
        net.layer_dict["?"]
    assert str(caught.value).isprintable()


def test_what_a_library_raises_in_a_native_layer_names_it(tmp_path, monkeypatch):
    def fails(*args):
        raise RuntimeError("could not create\na primitive")

    layers = (
        'layer { name: "b" type: "BatchNorm" bottom: "x" top: "y" } layer { name: "q" type: "Exp" bottom: "y" top: "z" '
    )
    net = make(tmp_path, f"force_backward: true {ROW} {layers} loss_weight: 1 }}")
    for method in ("forward", "backward"):
        monkeypatch.setattr(net.layers[2], method, fails)
        with pytest.raises(RuntimeError, match=rf'^layer "q" \(Exp\): {method}: could not create a primitive$'):
            getattr(net, method)()
        monkeypatch.undo()


def test_a_loss_that_has_no_memory_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("caffe_pylayers.runtime.memory.allocator.available", lambda: 10**9)
    row = ROW.replace("dim: 2 dim: 3", "dim: 2147483647")
    with pytest.raises(MemoryError, match=r'/net.prototxt: layer "p" \(Exp\): loss_weight: not enough memory: 8,589'):
        make(tmp_path, row + 'layer { name: "p" type: "Exp" bottom: "x" top: "y" loss_weight: 1 }')


def test_a_loss_without_a_shape_is_named(tmp_path):
    with pytest.raises(LayerError, match=r'/net.prototxt: layer "in" \(Input\): loss_weight: a blob that was never'):
        make(tmp_path, 'layer { name: "in" type: "Input" top: "x" loss_weight: 1 }')


@pytest.mark.parametrize("kind", ["Filter", "Split"])
def test_tops_without_a_shape_that_share_memory_are_named(tmp_path, kind):
    shapes = 'layer { name: "in" type: "Input" top: "x" top: "k" }'
    bottom = 'bottom: "x"' + ' bottom: "k"' * (kind == "Filter")
    with pytest.raises(
        LayerError, match=rf'/net.prototxt: layer "in" \(Input\): top.* which layer "f" \({kind}\) reads, has no shape'
    ):
        make(tmp_path, shapes + f'layer {{ name: "f" type: "{kind}" {bottom} top: "y" }}')


def test_an_output_that_has_no_memory_is_named(tmp_path, monkeypatch):
    net = make(tmp_path, 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2147483647 } } }')
    monkeypatch.setattr("caffe_pylayers.runtime.memory.allocator.available", lambda: 10**9)
    with pytest.raises(MemoryError, match=r'^blob "x": not enough memory: 8,589,934,588 bytes are needed'):
        net.forward()

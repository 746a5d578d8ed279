"""The boundary to Python layers: order and number of calls, blobs, exceptions."""

import sys

import numpy as np
import pytest

pycaffe = pytest.importorskip("caffe_pylayers.pycaffe")

NET = """
layer {{ name: "in" type: "Input" top: "data" input_param {{ shape {{ dim: 4 dim: 3 }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {{ num_output: 3 }} }}
layer {{ name: "py" type: "Python" bottom: "ip" top: "py" {extra}
        python_param {{ module: "{module}" layer: "{layer}" param_str: "{param_str}" }} }}
layer {{ name: "loss" type: "Reduction" bottom: "py" top: "loss" loss_weight: 1 }}
"""


@pytest.fixture
def make(tmp_path, monkeypatch, root):
    # In the test's own process: the name caffe is given back at the end.
    monkeypatch.syspath_prepend(root / "tests" / "runtime")
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "caffe"}

    def build(layer, param_str="", extra="", module="my_layers", phase=pycaffe.TRAIN):
        path = tmp_path / "net.prototxt"
        path.write_text(NET.format(layer=layer, param_str=param_str, extra=extra, module=module))
        net = pycaffe.Net(path, phase)
        net.blobs["data"].data[...] = np.random.RandomState(0).standard_normal((4, 3))
        net.params["ip"][0].data[...] = np.eye(3)
        return net

    yield build
    for name in [name for name in sys.modules if name == "my_layers" or name.partition(".")[0] == "caffe"]:
        del sys.modules[name]
    sys.modules.update(before)


def calls():
    return sys.modules["my_layers"].CALLS


def test_order_of_the_calls(make):
    net = make("Records", "hello")
    net.forward()
    net.forward()
    net.backward()
    assert calls() == [
        ("setup", "hello", pycaffe.TRAIN, 1, 1),
        *["reshape", "reshape", "forward", "reshape", "forward"],
        ("backward", [True]),
    ]
    np.testing.assert_array_equal(net.blobs["py"].data, 2 * net.blobs["data"].data)
    np.testing.assert_array_equal(net.blobs["ip"].diff, np.full((4, 3), 2))


def test_phase(make):
    make("Records", phase=pycaffe.TEST)
    assert calls()[0][2] == pycaffe.TEST


def test_a_factory_function_is_a_layer_too(make):
    assert type(make("make").layer_dict["py"]).__name__ == "Records"


def test_learned_blobs_are_the_nets(make, tmp_path):
    net = make("Learns", extra="param { lr_mult: 3 decay_mult: 0 }")
    assert net.lr_mults == [1, 1, 3]
    assert net.decay_mults == [1, 1, 0]
    net.clear_param_diffs()
    net.forward()
    net.backward()
    np.testing.assert_array_equal(net.params["py"][0].diff, [4, 4, 4])
    net.backward()
    np.testing.assert_array_equal(net.params["py"][0].diff, [8, 8, 8])
    net.params["py"][0].data[...] = 5
    net.save(tmp_path / "net.caffemodel")
    again = make("Learns")
    again.copy_from(tmp_path / "net.caffemodel")
    np.testing.assert_array_equal(again.params["py"][0].data, [5, 5, 5])
    np.testing.assert_array_equal(again.layer_dict["py"].blobs[0].data, [5, 5, 5])


def test_learned_values_in_the_prototxt_come_first(make):
    net = make("Learns", extra="blobs { shape { dim: 1 dim: 3 } data: [4, 5, 6] }")
    assert [blob.shape for blob in net.params["py"]] == [(1, 3), (3,)]
    assert [blob.shape for blob in net.layer_dict["py"].blobs] == [(1, 3), (3,)]
    assert len(net.learnable) == 4


def test_a_class_with_array_api_gets_tensors(make):
    net = make("Tensors")
    net.forward()
    assert calls()[-1] == "Tensor"
    np.testing.assert_array_equal(net.blobs["py"].data, 2 * net.blobs["data"].data)


@pytest.mark.parametrize("method", ["setup", "reshape"])
def test_exceptions_while_the_net_is_built(make, method):
    with pytest.raises(KeyError, match=f"on purpose in {method}") as caught:
        make("Fails", method)
    assert f'in {method} of layer "py" (my_layers.Fails), bottoms [(4, 3)]' in "".join(caught.value.__notes__)


def test_exceptions_while_it_runs(make):
    net = make("Fails", "forward")
    with pytest.raises(KeyError, match="on purpose in forward"):
        net.forward()


def test_a_module_or_class_that_is_not_there(make):
    with pytest.raises(ModuleNotFoundError, match=r'/net.prototxt: layer "py" \(Python\): no module named \'no_such'):
        make("Records", module="no_such_module")
    with pytest.raises(
        AttributeError, match=r'/net.prototxt: layer "py" \(Python\): my_layers \(.*\) has no \'Record\' \(did you mean'
    ):
        make("Record")
    with pytest.raises(AttributeError, match=r"has no '\\x00'; its layers: "):
        make("\\000")


def test_a_module_that_needs_another_keeps_its_error(make, tmp_path, monkeypatch):
    (tmp_path / "needs.py").write_text("import not_installed_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'not_installed_here'") as caught:
        make("Records", module="needs")
    assert 'layer "py" (needs.Records)' in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("module", "layer", "message"),
    [
        ("", "Records", r"python_param needs a module and a layer \(the class in that module\)"),
        ("my_layers", "", r"python_param needs a module and a layer \(the class in that module\)"),
        (".my_layers", "Records", 'python_param\'s module ".my_layers" is no name of a module, such as package.module'),
        ("a..b", "Records", 'python_param\'s module "a..b" is no name of a module, such as package.module'),
        ("\\000", "Records", r'python_param\'s module "\\x00" is no name of a module, such as package.module'),
        ("my_layers", "__name__", "my_layers.__name__ is no class but 'my_layers'"),
    ],
)
def test_names_that_no_module_or_class_can_have(make, module, layer, message):
    with pytest.raises(ValueError, match=rf'/net.prototxt: layer "py" \(Python\): {message}$'):
        make(layer, module=module)


def test_a_layer_may_differentiate_by_pytorch(make):
    net = make("Differentiates")
    net.forward()
    net.backward()
    x = net.blobs["data"].data
    np.testing.assert_allclose(net.blobs["py"].data, x**3, rtol=1e-5)
    np.testing.assert_allclose(net.blobs["ip"].diff, 3 * x**2, rtol=1e-5)


def test_the_packages_layers_run_on_tensors(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""
layer { name: "in" type: "Input" top: "x" top: "label" input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }
layer { name: "p" type: "Power" bottom: "x" top: "p" }
layer { name: "codes" type: "Python" bottom: "label" bottom: "p" top: "codes"
        python_param { module: "caffe_pylayers.one_hot" layer: "label2one_hot" } }
layer { name: "loss" type: "Python" bottom: "p" bottom: "codes" top: "loss" loss_weight: 3.7
        python_param { module: "caffe_pylayers.pyloss" layer: "EuclideanLossLayer" } }
force_backward: true
""")
    net = pycaffe.Net(path, pycaffe.TRAIN)
    x = np.random.RandomState(0).standard_normal((4, 3)).astype(np.float32)
    label = np.array([0, 2, 1, 2], np.float32)
    loss = net.forward(x=x, label=label)["loss"]
    codes = np.eye(3)[label.astype(int)]
    np.testing.assert_allclose(loss, [np.sum((x - codes) ** 2) / 8], rtol=1e-6)
    net.backward()
    np.testing.assert_allclose(net.blobs["p"].diff, 3.7 * (x - codes) / 4, rtol=1e-5)

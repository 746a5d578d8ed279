"""Old formats brought to the current one, beside real Caffe's own tools."""

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._nets import prototxt, upgrade
from caffe_pylayers._nets.solver_rules import snapshot_prefix
from tests.nets.old_files import DATA, NETS, REFUSED, V1_TYPES, padded, upgraded, v0


@pytest.mark.parametrize("name", NETS)
def test_text_as_caffe_upgrades_it(tmp_path, name):
    text = upgraded("upgrade_net_proto_text", NETS[name].encode(), tmp_path).decode()
    assert prototxt.parse_net(NETS[name]) == plain(text)


@pytest.mark.parametrize("name", ["v1 params", "v1 data", "v0 types", "input_dim", "batch norm"])
def test_binary_as_caffe_upgrades_it(tmp_path, name):
    old = plain(NETS[name])
    theirs = upgraded("upgrade_net_proto_binary", old.SerializeToString(), tmp_path)
    upgrade.upgrade_net(old, "net")
    assert old.SerializeToString() == theirs


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_caffe_refuses_it(tmp_path, name):
    text, message = REFUSED[name]
    with pytest.raises(ValueError, match=r"^old\.prototxt: ") as error:
        prototxt.parse_net(text, "old.prototxt")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert upgraded("upgrade_net_proto_text", text.encode(), tmp_path) is None


def plain(text):
    return prototxt.parse(text, "NetParameter", "net")


def test_the_table_has_every_v1_type():
    assert sorted(V1_TYPES.split()) == sorted(_engine.messages().V1LayerParameter.LayerType.keys())


# What real Caffe's tools wrote.
RECORDED = {
    DATA + padded("conv", "num_output: 3 kernelsize: 5 blobs_lr: 1 weight_decay: 2"): """layer {
  name: "input"
  type: "Input"
  top: "data"
  input_param {
    shape {
      dim: 1
      dim: 3
      dim: 8
      dim: 8
    }
  }
}
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param {
    lr_mult: 1
    decay_mult: 2
  }
  convolution_param {
    num_output: 3
    pad: 2
    kernel_size: 5
  }
}
""",
    """layers { name: "d" type: DATA top: "d" data_param { source: "db" mirror: true } include { phase: TEST } }
       layers { name: "ip" type: INNER_PRODUCT bottom: "d" top: "ip" param: "w" blobs_lr: 0.5 blobs_lr: 2
                inner_product_param { num_output: 2 } }
       layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" bottom: "d" loss_weight: 3 }""": """layer {
  name: "d"
  type: "Data"
  top: "d"
  include {
    phase: TEST
  }
  transform_param {
    mirror: true
  }
  data_param {
    source: "db"
  }
}
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "d"
  top: "ip"
  param {
    name: "w"
    lr_mult: 0.5
  }
  param {
    lr_mult: 2
  }
  inner_product_param {
    num_output: 2
  }
}
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "ip"
  bottom: "d"
  loss_weight: 3
}
""",
}


@pytest.mark.parametrize("text", RECORDED, ids=["v0", "v1"])
def test_recorded(text):
    assert prototxt.parse_net(text) == plain(RECORDED[text])


@pytest.mark.parametrize("text", RECORDED, ids=["v0", "v1"])
def test_recordings_are_caffes(tmp_path, text):
    assert upgraded("upgrade_net_proto_text", text.encode(), tmp_path).decode() == RECORDED[text]


def test_says_what_is_dropped(caplog):
    text = "debug_info: true\n" + DATA + v0("relu", "num_output: 3") + 'layers { type: TANH bottom: "data" top: "t" }'
    prototxt.parse_net(text, "net.prototxt")
    dropped = ["debug_info", 'num_output of layer "relu" (relu)', 'type of layers with top "t"']
    assert [record.getMessage() for record in caplog.records] == [
        f"net.prototxt: {what}: dropped, it means nothing here in a net of the V0 format" for what in dropped
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DATA + 'input: "b"', r'2 inputs need 8 input_dim, 4 each, got 4: "b" has \[\]$'),
        ('input: "a" input: "b" input_shape { dim: 1 }', '2 inputs, 1 input_shape: "b" has none$'),
        (DATA + v0("images", "new_height: -1"), r'layer "images" \(images\): new_height: Value out of range: -1$'),
    ],
)
def test_what_caffe_leaves_undefined_is_refused(text, message):
    with pytest.raises(ValueError, match="^net: " + message):
        prototxt.parse_net(text)


@pytest.mark.parametrize("old", ["SGD", "NESTEROV", "ADAGRAD", "RMSPROP", "ADADELTA", "ADAM"])
def test_solver_types(tmp_path, old):
    text = f"base_lr: 0.5\nsolver_type: {old}\n"
    theirs = upgraded("upgrade_solver_proto_text", text.encode(), tmp_path).decode()
    assert str(prototxt.parse_solver(text)) == theirs


def test_both_solver_types(tmp_path):
    text = 'type: "Adam" solver_type: NESTEROV'
    with pytest.raises(
        ValueError, match=r'^s: has both type and the old solver_type, "Adam" and NESTEROV; drop solver_type'
    ):
        prototxt.parse_solver(text, "s")
    assert upgraded("upgrade_solver_proto_text", text.encode(), tmp_path) is None


@pytest.mark.parametrize(
    ("given", "file", "prefix"),
    [  # as real Caffe names its snapshots
        (None, "solver.prototxt", "solver"),
        (None, "./a.b/solver.v2.prototxt", "./a.b/solver.v2"),
        (None, "a.b/solver", "a.b/solver"),
        ("lenet", "a.b/solver.prototxt", "lenet"),
        ("a.b", "solver.prototxt", "a.b/solver"),
        ("a.b/", "a.b/solver.prototxt", "a.b/solver"),
        ("", "solver.prototxt", ""),
    ],
)
def test_snapshot_prefix(tmp_path, monkeypatch, given, file, prefix):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.b").mkdir()
    (tmp_path / file).write_text("base_lr: 1" if given is None else f'snapshot_prefix: "{given}"')
    assert snapshot_prefix(prototxt.read_solver(file), file) == prefix


INLINE = """
net_param { input: "x" input_dim: 4 input_dim: 3 input_dim: 2 input_dim: 1
            layer { name: "r" type: "ReLU" bottom: "x" } }
test_net_param { layers { name: "t" type: TANH bottom: "x" top: "t" } }
test_net_param { layers { layer { name: "s" type: "sigmoid" } bottom: "x" top: "s" } input: "x" }
"""


def test_the_nets_in_a_solver():
    solver = prototxt.parse_solver(INLINE)
    nets = [solver.net_param, *solver.test_net_param]
    assert [[layer.type for layer in net.layer] for net in nets] == [["Input", "ReLU"], ["TanH"], ["Sigmoid"]]
    assert list(solver.net_param.layer[0].input_param.shape[0].dim) == [4, 3, 2, 1]
    assert not any(net.input or net.layers for net in nets)
    assert prototxt.parse_solver("train_net_param { layers { type: TANH } }").train_net_param.layer[0].type == "TanH"


def test_a_net_in_a_solver_that_cannot_be_upgraded():
    with pytest.raises(ValueError, match=r'^s: test_net_param: both "layer" and "layers"; '):
        prototxt.parse_solver("test_net_param { layer {} layers {} }", "s")


def test_a_type_that_only_a_fork_has(monkeypatch):
    from caffe_pylayers._nets.upgrade import v1

    monkeypatch.delitem(v1._TYPES, "TANH")  # stands for a fork, whose messages know a type that BVLC's do not
    with pytest.raises(
        ValueError, match=r'^net: layer "t": TANH is no type of BVLC\'s V1 format; rewrite it as layer '
    ):
        prototxt.parse_net('layers { name: "t" type: TANH }')

"""``caffe-pylayers port``: what it writes is a net of stock Caffe, on either engine."""

import sys

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers._nets import check, prototxt
from caffe_pylayers._nets.stored import parse_model
from caffe_pylayers.cli import main

NET = """
name: "small"
input: "data" input_shape { dim: 1 dim: 4 dim: 6 dim: 6 }
layer { name: "conv" type: "ConvolutionDepthwise" bottom: "data" top: "conv" engine: "MKLDNN"
  convolution_param { num_output: 4 kernel_size: 3 engine: CUDNN weight_filler { type: "xavier" } } }
layer { name: "norm" type: "Normalize" bottom: "conv" top: "norm"
  norm_param { channel_shared: false scale_filler { value: 20 } } }
layer { name: "target" type: "DummyData" top: "target" dummy_data_param { shape { dim: 1 dim: 4 dim: 4 dim: 4 } } }
layer { name: "loss" type: "SmoothL1Loss" bottom: "norm" bottom: "target" top: "loss" }
"""


def port(capsys, *args):
    code = main(["port", *map(str, args)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_net_and_its_weights(capsys, tmp_path):
    messages, caffe = _engine.messages(), _engine.caffe()
    fork, weights, output = (tmp_path / name for name in ("fork.prototxt", "fork.caffemodel", "ported.prototxt"))
    fork.write_text(NET)
    model = messages.NetParameter(name="small")
    layer = model.layer.add(name="norm", type="Normalize")
    layer.blobs.add(data=[1, 2, 3, 4]).shape.dim.append(4)
    layer.convolution_param.num_output = 7  # a fork's own field may have its number
    weights.write_bytes(model.SerializeToString())
    assert port(capsys, fork, weights, "-o", output) == (
        0,
        "conv (ConvolutionDepthwise): Convolution\n"
        "norm (Normalize): caffe_pylayers.ssd.Normalize\n"
        "loss (SmoothL1Loss): caffe_pylayers.regression.SmoothL1Loss\n"
        f"{output}: left out, as they change no value: engine\n"
        f"{output}: 3 of 5 layers were a fork's\n",
        "",
    )
    left_out = "# left out: engine\n# left out: convolution_param.engine\n"
    assert f'{left_out}layer {{\n  name: "conv"\n  type: "Convolution"\n' in output.read_text()
    net = caffe.Net(str(output), caffe.TRAIN, weights=str(tmp_path / "ported.caffemodel"))
    net.blobs["data"].data[...] = np.random.RandomState(0).rand(1, 4, 6, 6)
    net.forward()
    assert net.params["norm"][0].data.tolist() == [1, 2, 3, 4]
    assert net.blob_loss_weights["loss"] == 1
    assert float(net.blobs["loss"].data.reshape(-1)[0]) > 0
    (stored,) = messages.NetParameter.FromString((tmp_path / "ported.caffemodel").read_bytes()).layer
    assert not stored.HasField("convolution_param")


def test_what_is_read_is_not_written_over(capsys, tmp_path):
    fork, weights = tmp_path / "fork.prototxt", tmp_path / "other.caffemodel"
    fork.write_text(NET)
    weights.write_bytes(_engine.messages().NetParameter(layer=[{"name": "norm"}]).SerializeToString())
    for output, kept in ((fork, fork), (tmp_path / "other.prototxt", weights)):
        before = kept.read_bytes()
        assert port(capsys, fork, weights, "-o", output) == (
            1,
            "",
            f"caffe-pylayers port: {kept}: what is read would be written over; give OUTPUT another name\n",
        )
        assert kept.read_bytes() == before


def test_weights_are_parsed_once(capsys, tmp_path, monkeypatch):
    fork, weights = tmp_path / "fork.prototxt", tmp_path / "fork.caffemodel"
    fork.write_text(NET)
    model = _engine.messages().NetParameter()
    model.layer.add(name="norm", type="Normalize").blobs.add(data=[1, 2, 3, 4]).shape.dim.append(4)
    weights.write_bytes(model.SerializeToString())
    parsed = []
    where = "caffe_pylayers._nets.stored.parse_model"
    monkeypatch.setattr(where, lambda *args: parsed.append(args[2]) or parse_model(*args))
    assert port(capsys, fork, weights, "-o", tmp_path / "ported.prototxt")[0] == 0
    assert parsed == [weights]


def test_weights_that_this_caffe_cannot_read(capsys, tmp_path):
    fork, weights, output = (tmp_path / name for name in ("fork.prototxt", "fork.caffemodel", "ported.prototxt"))
    fork.write_text(NET)
    model = _engine.messages().NetParameter()
    layer = model.layer.add(name="norm", type="Normalize")
    layer.blobs.add(data=[1, 2, 3, 4]).shape.dim.append(4)
    layer = layer.SerializeToString() + b"\xa2\x06\x01\xff"  # field 100, transform_param, of a byte that is no message
    weights.write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)
    assert port(capsys, fork, weights, "-o", output)[0] == 0
    (stored,) = model.FromString((tmp_path / "ported.caffemodel").read_bytes()).layer
    assert list(stored.blobs[0].data) == [1, 2, 3, 4]


def test_weights_of_another_net(capsys, tmp_path):
    fork, weights, output = (tmp_path / name for name in ("fork.prototxt", "other.caffemodel", "ported.prototxt"))
    fork.write_text(NET)
    weights.write_bytes(_engine.messages().NetParameter(layer=[{"name": "fc8"}, {"name": "fc7"}]).SerializeToString())
    message = f"caffe-pylayers port: weights {weights}: none of its layers is in the net; it has fc7, fc8\n"
    assert port(capsys, fork, weights, "-o", output) == (1, "", message)
    assert not output.exists()


@pytest.mark.parametrize("field", ["net", "train_net"])
def test_a_net_that_a_solver_names_is_not_written_over(capsys, tmp_path, monkeypatch, field):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ported_net.prototxt").write_text(NET)
    (tmp_path / "net.prototxt").symlink_to("ported_net.prototxt")
    (tmp_path / "solver.prototxt").write_text(f'{field}: "net.prototxt"')
    message = "ported_net.prototxt: what is read would be written over; give OUTPUT another name\n"
    assert port(capsys, "solver.prototxt", "-o", "ported.prototxt")[2].endswith(message)
    assert (tmp_path / "ported_net.prototxt").read_text() == NET
    assert not (tmp_path / "ported.prototxt").exists()


def test_a_net_where_its_weights_go(capsys, tmp_path):
    fork, weights = tmp_path / "fork.prototxt", tmp_path / "fork.caffemodel"
    fork.write_text(NET)
    weights.write_bytes(_engine.messages().NetParameter(layer=[{"name": "norm"}]).SerializeToString())
    _, _, error = port(capsys, fork, weights, "-o", tmp_path / "x.caffemodel")
    assert error.endswith("the weights go there; name the net otherwise, x.prototxt say\n")


RPN = """
input: "scores" input_shape { dim: 1 dim: 24 dim: 2 dim: 2 }
input: "deltas" input_shape { dim: 1 dim: 48 dim: 2 dim: 2 }
input: "im_info" input_shape { dim: 1 dim: 3 }
layer { name: "proposal" type: "Python" bottom: "scores" bottom: "deltas" bottom: "im_info" top: "rois"
  python_param { module: "rpn.proposal_layer" layer: "ProposalLayer"
    param_str: "'feat_stride': 16 \\n'scales': !!python/tuple [4, 8, 16, 32]" } }
"""


def test_a_python_layer_of_a_fork(capsys, tmp_path):
    net, output = tmp_path / "net.prototxt", tmp_path / "ported.prototxt"
    net.write_text(RPN)
    code, out, _ = port(capsys, net, "-o", output)
    became = "proposal (Python rpn.proposal_layer.ProposalLayer): caffe_pylayers.proposals.Proposal"
    assert (code, out.splitlines()) == (0, [became, f"{output}: 1 of 2 layers were a fork's"])
    caffe = _engine.caffe()
    ported = caffe.Net(str(output), caffe.TEST)
    ported.blobs["im_info"].data[...] = [[32, 32, 1]]
    ported.forward()
    assert ported.blobs["rois"].data.shape[1] == 5
    assert check.problems(prototxt.read_net(net), net) == [
        f"{net}: layer \"proposal\" (Python): no module named 'rpn.proposal_layer'; proposals.Proposal of this package "
        'does the same: write module: "caffe_pylayers.proposals" layer: "Proposal", as `caffe-pylayers port` does; '
        "else put the folder of its file on PYTHONPATH"
    ]


def test_a_python_layer_of_a_fork_that_is_there(capsys, tmp_path, monkeypatch):
    (tmp_path / "rpn").mkdir()
    for file in ("__init__.py", "proposal_layer.py"):
        (tmp_path / "rpn" / file).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "net.prototxt").write_text(RPN)
    assert "Proposal" not in port(capsys, tmp_path / "net.prototxt", "-o", tmp_path / "ported.prototxt")[1]
    del sys.modules["rpn"]  # for good


def test_weights_in_hdf5(capsys, tmp_path):
    h5py, caffe = pytest.importorskip("h5py"), _engine.caffe()
    fork, weights, output = (tmp_path / name for name in ("fork.prototxt", "fork.h5", "ported.prototxt"))
    fork.write_text(NET)
    with h5py.File(weights, "w") as file:
        file["data/norm/0"] = np.array([1, 2, 3, 4], np.float32)
    assert port(capsys, fork, weights, "-o", output)[0] == 0
    net = caffe.Net(str(output), caffe.TRAIN, weights=str(tmp_path / "ported.caffemodel.h5"))
    assert net.params["norm"][0].data.tolist() == [1, 2, 3, 4]
    weights.write_bytes(weights.read_bytes()[:-99])
    code, _, error = port(capsys, fork, weights, "-o", output)
    assert (code, f"{weights}: not what is expected, or not a whole one" in error) == (1, True)


def test_all_that_cannot_be_ported_is_listed(capsys, tmp_path):
    fork, output = tmp_path / "fork.prototxt", tmp_path / "ported.prototxt"
    fork.write_text(
        "layer { name: 'a' type: 'CenterLoss' center_loss_param { num_output: 2 center_filler { type: 'odd' } } }\n"
        "layer { name: 'b' type: 'DenseCRF' }\n"
        "layer { name: 'c' type: 'DomainTransform' }\n"
        "layer { name: 'd' type: 'Reorg' reorg_param { stride: 0 } }\n"
    )
    code, out, err = port(capsys, fork, "-o", output)
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert lines[0].endswith(f"{fork}: cannot be ported, and nothing is written:")
    assert sorted(line.split(":")[0] for line in lines[1:]) == [
        '  layer "a" (CenterLoss)',
        '  layer "b" (DenseCRF)',
        '  layer "c" (DomainTransform)',
        '  layer "d" (Reorg)',
    ]
    assert not output.exists()


def test_a_solver_and_its_nets(capsys, tmp_path, monkeypatch):
    caffe = _engine.caffe()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(
        'net: "nets/net.prototxt" test_iter: 1 test_interval: 10 base_lr: 0.1 lr_policy: "fixed" max_iter: 2\n'
        "global_grad_scale: 1000\n"
    )
    code, out, err = port(capsys, "solver.prototxt", "-o", "ported.prototxt")
    assert (code, err) == (0, "")
    assert out.splitlines()[-2:] == [
        "ported_net.prototxt: 3 of 5 layers were a fork's",
        "ported.prototxt: the solver",
    ]
    assert (tmp_path / "ported.prototxt").read_text().startswith("# left out: global_grad_scale\n")
    solver = caffe.get_solver("ported.prototxt")
    solver.net.blobs["data"].data[...] = np.random.RandomState(0).rand(1, 4, 6, 6)
    before = solver.net.params["norm"][0].data.copy()
    solver.step(1)
    assert (solver.net.params["norm"][0].data != before).any()


def test_a_solver_with_a_net_inside(capsys, tmp_path):
    solver, output = tmp_path / "solver.prototxt", tmp_path / "ported.prototxt"
    solver.write_text(f"base_lr: 0.1 net_param {{ {NET} }}")
    code, out, _ = port(capsys, solver, "-o", output)
    assert code == 0
    assert "loss (SmoothL1Loss): caffe_pylayers.regression.SmoothL1Loss" in out
    messages = _engine.messages()
    (loss,) = (layer for layer in prototxt.read_solver(output, messages).net_param.layer if layer.name == "loss")
    assert (loss.type, list(loss.loss_weight)) == ("Python", [1])


def test_weights_of_a_solver(capsys, tmp_path):
    solver = tmp_path / "solver.prototxt"
    solver.write_text("base_lr: 0.1")
    code, _, err = port(capsys, solver, "x.caffemodel", "-o", tmp_path / "ported.prototxt")
    assert code == 1
    assert err.endswith(f"{solver}: a solver; give the weights with the net that they are of\n")


def test_nothing_is_written_where_a_net_of_a_solver_cannot_be_ported(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.prototxt").write_text(NET)
    (tmp_path / "bad.prototxt").write_text("layer { name: 'c' type: 'DenseCRF' }")
    (tmp_path / "solver.prototxt").write_text('train_net: "good.prototxt" test_net: "bad.prototxt"')
    code, _, err = port(capsys, "solver.prototxt", "-o", "ported.prototxt")
    assert code == 1
    assert err.splitlines()[1].startswith('  layer "c" (DenseCRF): a type of hszhao/PSPNet')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.prototxt", "good.prototxt", "solver.prototxt"]


def test_two_nets_of_one_name(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.prototxt").write_text(NET.replace("small", folder))
    (tmp_path / "solver.prototxt").write_text('train_net: "a/net.prototxt" test_net: "b/net.prototxt" test_iter: 1')
    assert port(capsys, "solver.prototxt", "-o", "ported.prototxt")[0] == 0
    solver = prototxt.read_solver("ported.prototxt")
    names = [prototxt.read_net(path).name for path in (solver.train_net, *solver.test_net)]
    assert names == ["a", "b"]


def bn_weights(path, name, *shapes):
    model = _engine.messages().NetParameter()
    layer = model.layer.add(name=name, type="BN")
    for shape in shapes:
        layer.blobs.add(data=[2] * int(np.prod(shape))).shape.dim.extend(shape)
    path.write_bytes(model.SerializeToString())


def test_weights_that_a_solver_names(capsys, tmp_path, monkeypatch):
    """They tell which layers its nets have, whichever of the files holds a layer's blobs."""
    caffe = _engine.caffe()
    if "weights" not in _engine.messages().SolverParameter.DESCRIPTOR.fields_by_name:
        pytest.skip("this caffe's solvers name no weights")
    monkeypatch.chdir(tmp_path)
    bn = 'input: "x" input_shape { dim: 2 dim: 3 } layer { name: "bn" type: "BN" bottom: "x" top: "y" } '
    loss = 'layer { name: "l" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "l" }'
    (tmp_path / "net.prototxt").write_text(bn + loss)
    bn_weights(tmp_path / "other.caffemodel", "other", (1, 3))
    bn_weights(tmp_path / "bn.caffemodel", "bn", (1, 3), (1, 3))
    rates = "base_lr: 0.1 lr_policy: 'fixed'"
    (tmp_path / "solver.prototxt").write_text(f"net: 'net.prototxt' weights: 'other.caffemodel, bn.caffemodel' {rates}")
    code, out, err = port(capsys, "solver.prototxt", "-o", "ported.prototxt")
    assert (code, err) == (0, "")
    assert "ported_bn.caffemodel: the weights" in out.splitlines()
    written = "ported_other.caffemodel,ported_bn.caffemodel"
    assert list(prototxt.read_solver("ported.prototxt").weights) == [written]
    bn = next(layer for layer in prototxt.read_net("ported_net.prototxt").layer if layer.name == "bn")
    assert '"learned": ["scale", "shift"]' in bn.python_param.param_str
    if _engine.on_runtime():
        for solver in ("ported.prototxt", "solver.prototxt"):
            assert [blob.data.flat[0] for blob in caffe.get_solver(solver).net.params["bn"]] == [2, 2]
    (tmp_path / "bn.caffemodel").unlink()
    code, out, _ = port(capsys, "solver.prototxt", "-o", "again.prototxt")
    assert (code, out.splitlines()[0].partition(",")[0]) == (0, "bn.caffemodel: not there")
    assert list(prototxt.read_solver("again.prototxt").weights) == ["again_other.caffemodel,bn.caffemodel"]


def test_what_is_wrong_with_a_python_layer_of_a_fork(capsys, tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text(RPN.partition("param_str")[0] + 'param_str: "[1" } }')
    code, _, err = port(capsys, net, "-o", tmp_path / "ported.prototxt")
    first, second = err.splitlines()
    assert (code, first.endswith(f"{net}: cannot be ported, and nothing is written:")) == (1, True)
    assert second.startswith('  layer "proposal" (Python): param_str ')

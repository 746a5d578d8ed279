"""Solvers of SSD's fork, whose tests are a mean average precision."""

import json
from pathlib import Path

import pytest

from caffe_pylayers import _engine
from caffe_pylayers._nets.forks import evaluation
from caffe_pylayers._nets.prototxt import parse_net, parse_solver, read_solver
from caffe_pylayers.cli import main
from caffe_pylayers.cli._training import solver_file

NET = """
layer { name: "found" type: "DummyData" top: "found" dummy_data_param {
  shape { dim: 1 dim: 1 dim: 2 dim: 7 } data_filler { value: 0 } } }
layer { name: "learned" type: "Bias" bottom: "found" top: "biased" bias_param { axis: 0 num_axes: -1 }
  include { phase: TEST } }
layer { name: "truth" type: "DummyData" top: "truth" dummy_data_param {
  shape { dim: 1 dim: 1 dim: 2 dim: 8 } data_filler { value: 0 } } include { phase: TEST } }
layer { name: "objects" type: "Bias" bottom: "truth" top: "objects" bias_param { axis: 0 num_axes: -1 }
  include { phase: TEST } }
layer { name: "eval" type: "DetectionEvaluate" bottom: "biased" bottom: "objects" top: "detection_eval"
  detection_evaluate_param { num_classes: 2 } include { phase: TEST } }
layer { name: "sum" type: "Reduction" bottom: "found" top: "sum" loss_weight: 1 include { phase: TRAIN } }
"""
SOLVER = (
    'net: "net.prototxt" test_iter: 2 test_interval: 5 base_lr: 0.1 lr_policy: "fixed" max_iter: 0 '
    'eval_type: "detection" ap_version: "11point" show_per_class_result: true snapshot_prefix: "x"'
)


@pytest.fixture
def solver(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    return "solver.prototxt"


def test_the_fields_stay_in_the_message():
    messages = _engine.messages()
    assert evaluation.ap_version(parse_solver(SOLVER), messages) == "11point"
    assert evaluation.ap_version(parse_solver('eval_type: "detection"'), messages) == "Integral"
    assert evaluation.ap_version(parse_solver('eval_type: "classification" ap_version: "11point"'), messages) == ""
    assert evaluation.ap_version(parse_solver("base_lr: 0.1"), messages) == ""


def test_the_layer_that_measures():
    net = parse_net(NET)
    evaluation.measure(net, "11point")
    assert json.loads(net.layer[4].python_param.param_str)["ap_version"] == "11point"


def test_the_test_of_a_solver(solver):
    """Two objects, one of them found by the better of two detections: at 6 of the 11 recalls the precision is 1."""
    if not _engine.on_runtime():
        pytest.skip("what a net of a fork is ported to runs on real Caffe")
    net = _engine.caffe().get_solver(solver).test_nets[0]
    assert net.outputs == ["detection_eval"]
    net.params["learned"][0].data[0, 0] = [[0, 1, 0.9, 0.1, 0.1, 0.5, 0.5], [0, 1, 0.8, 0.1, 0.1, 0.2, 0.2]]
    net.params["objects"][0].data[0, 0] = [[0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0], [0, 1, 1, 0.6, 0.6, 0.9, 0.9, 0]]
    net.forward()
    assert net.blobs["detection_eval"].data == pytest.approx(6 / 11)


def test_the_driver_writes_the_fields_for_the_runtime(solver, tmp_path):
    param = read_solver(solver)
    nets = solver_file.nets(param, Path(solver))
    assert ["ap_version" in str(net.message) for net in nets] == [False, True]
    solver_file.write(param, tmp_path / "written.prototxt", "as it ran")
    assert ("ap_version" in (tmp_path / "written.prototxt").read_text()) == _engine.on_runtime()


def test_what_is_ported_has_the_layer(solver, capsys):
    assert main(["port", solver, "-o", "ported.prototxt"]) == 0
    assert "eval_type" not in Path("ported.prototxt").read_text()
    assert "11point" in Path("ported_net.prototxt").read_text()
    (top,) = _engine.caffe().get_solver("ported.prototxt").test_nets[0].outputs
    assert top == "detection_eval"

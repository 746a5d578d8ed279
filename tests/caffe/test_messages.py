"""What a user's mistake looks like, in pycaffe and in the caffe program."""

import sys

import numpy as np
import pytest

pytestmark = pytest.mark.caffe

NET = """
layer {{ name: "in" type: "Input" top: "features" input_param {{ shape {{ dim: 4 dim: 3 }} }} }}
layer {{ name: "labels" type: "DummyData" top: "label"
        dummy_data_param {{ shape {{ dim: {labels} }} data_filler {{ value: {label} }} }} }}
layer {{ name: "codes" type: "Python" bottom: "label" bottom: "features" top: "codes"
        python_param {{ module: "{module}" layer: "{layer}" param_str: '{param_str}' }} }}
"""
GOOD = {"labels": 4, "label": 1, "module": "caffe_pylayers.one_hot", "layer": "label2one_hot", "param_str": ""}

MISTAKES = [
    pytest.param({"label": 3}, ValueError, "label2one_hot: label 3 at index 0 is outside [0, 3)", id="label"),
    pytest.param({"label": 1.5}, ValueError, "label2one_hot: label 1.5 at index 0 is no integer", id="fraction"),
    pytest.param({"labels": 5}, ValueError, "label2one_hot: bottom[0] (labels) must have shape (4,)", id="shape"),
    pytest.param(
        {"param_str": '{"num_clases": 3}'},
        ValueError,
        "label2one_hot: unknown parameter 'num_clases' in param_str (did you mean 'num_classes'?); known: axis, "
        "ignore_label, num_classes, off_value, on_value",
        id="key",
    ),
    pytest.param(
        {"param_str": '{"axis": "one"}'},
        TypeError,
        "label2one_hot: parameter axis must be an integer, got 'one'",
        id="type",
    ),
    pytest.param({"module": "nowhere"}, SystemError, "No module named 'nowhere'", id="module"),
    pytest.param({"layer": "label2onehot"}, SystemError, "has no attribute 'label2onehot'", id="class"),
]


def test_the_net_without_a_mistake(make_net):
    np.testing.assert_array_equal(make_net(NET.format(**GOOD)).forward()["codes"], [[0, 1, 0]] * 4)


@pytest.mark.parametrize(("change", "kind", "message"), MISTAKES)
def test_in_pycaffe(tmp_path, run_program, change, kind, message):
    net = tmp_path / "net.prototxt"
    net.write_text(NET.format(**{**GOOD, **change}))
    code = f"import caffe\nnet = caffe.Net({str(net)!r}, caffe.TRAIN)\nnet.forward()"
    run = run_program(sys.executable, "-c", code)
    assert run.returncode == 1
    assert message in run.stdout
    assert run.stdout.splitlines()[-1].startswith(kind.__name__)


@pytest.mark.parametrize(("change", "kind", "message"), MISTAKES)
def test_in_the_caffe_program(tmp_path, caffe_program, change, kind, message):
    net = tmp_path / "net.prototxt"
    net.write_text(NET.format(**{**GOOD, **change}))
    run = caffe_program("time", "-model", net, "-iterations", 1)
    assert run.returncode != 0
    assert message in run.stdout


def test_the_report_of_a_failure(tmp_path, caffe_program):
    net = tmp_path / "net.prototxt"
    net.write_text(NET.format(**{**GOOD, "label": 7, "param_str": '{"axis": 1}'}))
    report = caffe_program("time", "-model", net, "-iterations", 1).stdout
    assert "caffe_pylayers.one_hot.label2one_hot.forward failed\n  phase: TRAIN\n" in report
    assert """  param_str: '{"axis": 1}'\n  bottom[0]: (4,)\n  bottom[1]: (4, 3)\n  top[0]: (4, 3)\n""" in report
    assert report.count("Traceback (most recent call last)") == 1

"""Metrics of this package in the tests of a training: of the whole pass, on every way to train, with their pictures."""

import re
import sys

import numpy as np
import pytest

from caffe_pylayers.curves import AUC
from caffe_pylayers.precision_recall import PrecisionRecallF1
from caffe_pylayers.testing import LayerRun
from tests.cli.train.conftest import SOFTMAX

METRIC = """
layer {{
  name: "{top}" type: "Python" bottom: "ip" bottom: "label" top: "{top}" include {{ phase: TEST }}
  python_param {{ module: "caffe_pylayers.{module}" layer: "{layer}" param_str: '{param_str}' }}
}}
"""
CONFUSION = """
layer {
  name: "all/confused" type: "Python" bottom: "ip" bottom: "label" include { phase: TEST }
  python_param { module: "caffe_pylayers.confusion" layer: "ConfusionMatrix" }
}
"""
EUCLIDEAN = """
layer {
  name: "codes" type: "Python" bottom: "label" bottom: "ip" top: "codes"
  python_param { module: "caffe_pylayers.one_hot" layer: "label2one_hot" }
}
layer {
  name: "loss" type: "Python" bottom: "ip" bottom: "codes" top: "loss" loss_weight: 1
  python_param { module: "caffe_pylayers.pyloss" layer: "EuclideanLossLayer" }
}
"""
SOLVE = """
import caffe
if "runtime" in caffe.Net.__module__:
    caffe.init_log()
caffe.get_solver({path!r}).solve()
"""
# A loss, and what the metrics then have to be told: Caffe's own solver does not say where a pass begins, but training
# a layer of this package does.
WAYS = {"told": (SOFTMAX, "test_iter: 3"), "a layer in training": (EUCLIDEAN, "")}


def write_net(project, loss=SOFTMAX, param_str="", more=""):
    """A net whose training leaves errors, with metrics that are no means of batches."""
    random = np.random.RandomState(1)
    labels = np.array([0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1])
    project.data("test", random.normal(size=(12, 3)) + labels[:, None], labels)
    metrics = METRIC.format(top="f1s", module="precision_recall", layer="PrecisionRecallF1", param_str=param_str)
    metrics = metrics.replace('top: "f1s"', 'top: "precision" top: "recall" top: "f1"')
    metrics += METRIC.format(top="auc", module="curves", layer="AUC", param_str=param_str)
    project.net(loss=loss + metrics + more)
    return project.solver(test_iter=3, test_interval=5, max_iter=10)


def expected(project, model):
    """The metrics of all test samples at once, and those batches' mean F1."""
    import caffe

    net = caffe.Net(str(project.root / "nets" / "net.prototxt"), caffe.TEST, weights=str(model))
    batches = []
    for _ in range(3):
        net.forward()
        batches.append((net.blobs["ip"].data.copy(), net.blobs["label"].data.copy()))
    both = [np.concatenate(x) for x in zip(*batches)]
    values = [top[0] for top in LayerRun(PrecisionRecallF1, both, tops=3).forward()]
    values.append(LayerRun(AUC, both).forward()[0][0])
    means = np.mean([LayerRun(PrecisionRecallF1, batch, tops=3).forward() for batch in batches], 0).ravel()
    assert abs(means - values[:3]).max() > 0.02  # or the tests would see no difference
    return dict(zip(("precision", "recall", "f1", "auc"), values))


def logged(log):
    """The results of each test pass in a log of Caffe's."""
    values = re.findall(r"Test net output #\d+: (\w+) = ([-\d.e]+)", log)
    found = {}
    for name, value in values:
        found.setdefault(name, []).append(float(value))
    return found


def check(project, log, model, passes):
    found = logged(log)
    for name, value in expected(project, model).items():
        assert len(found[name]) == passes
        assert found[name][-1] == pytest.approx(value, rel=1e-4)


def test_the_driver(project):
    write_net(project)
    result = project.train()
    assert result.tests == {
        **result.tests,
        **{f"test/{name}": pytest.approx(value, rel=1e-5) for name, value in expected(project, result.model).items()},
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_solver(project, run_program, way):
    path = write_net(project, *WAYS[way])
    (project.root / "out").mkdir()
    script = project.root / "solve.py"
    script.write_text(SOLVE.format(path=str(path)))
    ended = run_program(sys.executable, "-m", "caffe_pylayers", "run", script, cwd=project.root, GLOG_minloglevel="0")
    assert ended.returncode == 0, ended.stdout
    check(project, ended.stdout, project.out / "tiny_iter_10.caffemodel", 3)


@pytest.mark.caffe
@pytest.mark.parametrize("way", WAYS)
def test_the_caffe_program(project, caffe_program, root, way):
    path = write_net(project, *WAYS[way])
    (project.root / "out").mkdir()
    model = project.out / "tiny_iter_10.caffemodel"
    ended = caffe_program("train", "--solver", path, cwd=project.root)
    assert ended.returncode == 0, ended.stdout
    check(project, ended.stdout, model, 3)
    net = project.root / "nets" / "net.prototxt"
    ended = caffe_program("test", "--model", net, "--weights", model, "--iterations", 3, cwd=project.root)
    means = dict(re.findall(r"\] (\w+) = ([-\d.e]+)", ended.stdout))
    for name, value in expected(project, model).items():
        assert float(means[name]) == pytest.approx(value, rel=1e-4)


def test_the_test_verb(project, capsys):
    from caffe_pylayers.cli import main

    write_net(project)
    model = project.train().model
    capsys.readouterr()
    net = project.root / "nets" / "net.prototxt"
    command = ["--model", str(net), "--weights", str(model), "--iterations", "3", "--quiet"]
    assert main(command, verb="test") == 0
    means = dict(re.findall(r"^(\w+) = ([-\d.e]+)", capsys.readouterr().out, re.MULTILINE))
    for name, value in expected(project, model).items():
        assert float(means[name]) == pytest.approx(value, rel=1e-4)


def test_pictures(project):
    write_net(project, more=CONFUSION)
    project.train(plot=True)
    picture = project.out / "test-all-confused.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_no_picture_without_matplotlib(project):
    write_net(project, more=CONFUSION)
    project.train(plot=False)
    assert not list(project.out.glob("test-*.png"))


def test_a_disk_without_room_for_a_picture(project, capsys):
    write_net(project, more=CONFUSION)
    project.out.mkdir()
    (project.out / "test-all-confused.png").mkdir()
    assert project.train(plot=True).iteration == 10
    assert "no picture: " in capsys.readouterr().err

"""Stock LeNet with its loss swapped for the two Python layers, under their bare names."""

import sys

import pytest

pytestmark = pytest.mark.caffe

LAYERS = """
layer {
type:"Python"
name:"one_hot"   
bottom: "label"
bottom: "ip2"
top: "one_hot_label"
python_param{
module: "one_hot"
layer: "label2one_hot"
}
}

layer{
type: "Python"
name: "loss"
top: "loss"
bottom: "ip2"
bottom: "one_hot_label"
python_param{
module: "pyloss"
layer: "EuclideanLossLayer"
}
loss_weight: 1
}
"""  # noqa: W291
SOLVER = """
net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" display: 1 max_iter: 5 snapshot_prefix: "lenet" solver_mode: CPU
"""
SCRIPT = """
import caffe
solver = caffe.SGDSolver("solver.prototxt")
solver.step(5)
print("loss", float(solver.net.blobs["loss"].data))
"""


@pytest.fixture(scope="module")
def lenet(root, digits):
    stock = (root / "prototxt" / "lenet" / "train_test_softmax.prototxt").read_text()
    (digits / "net.prototxt").write_text(stock[: stock.index('layer {\n  name: "loss"')] + LAYERS)
    (digits / "solver.prototxt").write_text(SOLVER)
    (digits / "train.py").write_text(SCRIPT)
    return digits


def trains(run):
    assert run.returncode == 0, run.stdout
    loss = float(run.stdout.split("loss")[-1])
    return 0 < loss < 1


def test_in_pycaffe(lenet, root, run_program):
    path = [root / "caffe_pylayers" / "bare", root]
    assert trains(run_program(sys.executable, "train.py", cwd=lenet, pythonpath=path))


def test_in_the_caffe_program(lenet, root, caffe_program):
    path = [root / "caffe_pylayers" / "bare", root]
    run = caffe_program("train", "-solver", "solver.prototxt", cwd=lenet, pythonpath=path)
    assert run.returncode == 0, run.stdout
    assert "Iteration 5, loss = 0." in run.stdout
    assert "Optimization Done." in run.stdout


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory, run_program):
    """A folder that holds what `pip install` puts into site-packages."""
    site = tmp_path_factory.mktemp("site")
    run = run_program(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, root)
    assert run.returncode == 0, run.stdout
    return site


def test_after_pip_install_in_pycaffe(lenet, installed, run_program):
    assert trains(run_program(sys.executable, "train.py", cwd=lenet, pythonpath=[installed]))


def test_after_pip_install_in_the_caffe_program(lenet, installed, caffe_program):
    run = caffe_program("train", "-solver", "solver.prototxt", cwd=lenet, pythonpath=[installed])
    assert "Optimization Done." in run.stdout


def test_the_bare_name_is_the_same_class(run_program, root):
    code = "import one_hot, pyloss, caffe_pylayers.one_hot as a, caffe_pylayers.pyloss as b\n"
    code += "print(one_hot.label2one_hot is a.label2one_hot, pyloss.EuclideanLossLayer is b.EuclideanLossLayer)"
    run = run_program(sys.executable, "-c", code, pythonpath=[root / "caffe_pylayers" / "bare", root])
    assert run.stdout.split() == ["True", "True"]

"""CenterLoss: values by hand, the update of its centres, and training by a solver."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.center_loss import CenterLoss
from caffe_pylayers.testing import LayerRun

X = np.array([[1.0, 2], [3, 4], [5, 6]])
CENTERS = np.array([[0.0, 0], [4, 4]])
LABELS = [0, 0, 1]


def run_of(**options):
    run = LayerRun(CenterLoss, [X, LABELS], param_str=repr({"num_classes": 2, **options}))
    run.layer.blobs[0].data[...] = CENTERS
    return run


def test_values_by_hand():
    # x - c_y = [1 2] [3 4] [1 2]: squares 5 + 25 + 5
    run = run_of()
    np.testing.assert_allclose(run.forward()[0], [35 / 6])
    np.testing.assert_allclose(run.backward([3.0])[0], 3 * np.array([[1, 2], [3, 4], [1, 2]]) / 3)
    np.testing.assert_allclose(run.layer.blobs[0].diff, [[-4 / 3, -2], [-1 / 2, -1]])  # whatever the loss weight


def test_ignored_samples_move_no_centre():
    run = run_of(ignore_label=1, normalization="valid")
    np.testing.assert_allclose(run.forward()[0], [30 / 4])
    np.testing.assert_allclose(run.backward([1])[0], np.array([[1, 2], [3, 4], [0, 0]]) / 2)
    np.testing.assert_allclose(run.layer.blobs[0].diff, [[-4 / 3, -2], [0, 0]])


def test_is_half_of_pytorchs_squared_error():
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    loss = torch.nn.functional.mse_loss(x, torch.tensor(CENTERS[LABELS]), reduction="sum") / 6
    loss.backward()
    run = run_of()
    np.testing.assert_allclose(run.forward()[0], [loss.item()])
    np.testing.assert_allclose(run.backward([1])[0], x.grad.numpy())


NET = """
layer { name: "x" type: "Input" top: "x" top: "y" input_param { shape { dim: 3 dim: 2 } shape { dim: 3 } } }
layer {
  name: "center" type: "Python" bottom: "x" bottom: "y" top: "loss" loss_weight: 0.01
  param { lr_mult: 0.5 decay_mult: 0 }
  python_param { module: "caffe_pylayers.center_loss" layer: "CenterLoss" param_str: "{'num_classes': 2}" }
}
"""


@pytest.fixture
def caffe():
    return _engine.caffe() if _engine.available() else pytest.skip("no caffe here")


def test_a_solver_moves_the_centres_half_way(caffe, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    solver_file = tmp_path / "solver.prototxt"
    solver_file.write_text(f'net: "{tmp_path}/net.prototxt" base_lr: 1 lr_policy: "fixed" weight_decay: 0.1')
    solver = caffe.SGDSolver(str(solver_file))
    solver.net.blobs["x"].data[...], solver.net.blobs["y"].data[...] = X, LABELS
    centers = solver.net.params["center"][0].data
    centers[...] = CENTERS
    solver.step(1)
    np.testing.assert_allclose(centers, CENTERS + 0.5 * np.array([[4 / 3, 2], [1 / 2, 1]]), rtol=1e-6)


def test_stored_centres_are_loaded_and_saved(caffe, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    one, two = (caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST) for _ in range(2))
    np.testing.assert_array_equal(one.params["center"][0].data, two.params["center"][0].data)  # of one seed
    one.params["center"][0].data[...] = CENTERS
    one.save(str(tmp_path / "net.caffemodel"))
    two.copy_from(str(tmp_path / "net.caffemodel"))
    two.forward()
    np.testing.assert_array_equal(two.params["center"][0].data, CENTERS)


def test_centres_that_the_prototxt_gives_are_kept(caffe, tmp_path):
    given = "blobs { shape { dim: 2 dim: 2 } data: 0 data: 0 data: 4 data: 4 } python_param"
    (tmp_path / "net.prototxt").write_text(NET.replace("python_param", given))
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    np.testing.assert_array_equal(net.params["center"][0].data, CENTERS)


def test_refused():
    run = LayerRun(CenterLoss, [X, LABELS], param_str="num_classes: 1")
    with pytest.raises(ValueError, match=r"^CenterLoss: label 1 at index 2 is outside \[0, 1\)"):
        run.forward()

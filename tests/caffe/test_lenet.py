"""The LeNet templates: the Python layers train as Caffe's own do."""

import os

import numpy as np
import pytest

pytestmark = pytest.mark.caffe

ITERATIONS = 20


@pytest.fixture
def losses(digits, root, monkeypatch):
    """Losses and final parameters of ITERATIONS steps of a template's solver, all with the same seed."""
    import caffe
    from caffe.proto import caffe_pb2
    from google.protobuf import text_format

    monkeypatch.chdir(digits)

    def train(name):
        solver = caffe_pb2.SolverParameter()
        text_format.Parse((root / "prototxt" / "lenet" / f"{name}.prototxt").read_text(), solver)
        solver.net = os.path.join(root, solver.net)
        solver.random_seed = 1701
        solver.test_interval, solver.test_initialization = ITERATIONS + 1, False
        solver.snapshot_prefix = "lenet"
        with open("solver.prototxt", "w") as file:
            file.write(str(solver))
        caffe.set_random_seed(1701)
        sgd = caffe.SGDSolver("solver.prototxt")
        seen = []
        for _ in range(ITERATIONS):
            sgd.step(1)
            seen.append(float(sgd.net.blobs["loss"].data))
        return seen, [blob.data.copy() for blobs in sgd.net.params.values() for blob in blobs]

    return train


def test_python_loss_trains_as_the_built_in(losses):
    ours, our_params = losses("solver")
    theirs, their_params = losses("solver_euclidean")
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert ours[-1] < ours[0] / 2
    for a, b in zip(our_params, their_params):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_softmax_twin_trains(losses):
    seen, _ = losses("solver_softmax")
    assert seen[-1] < seen[0] / 2


def test_deploy_has_the_parameters_of_train_test(root, digits, monkeypatch):
    import caffe

    monkeypatch.chdir(digits)
    folder = root / "prototxt" / "lenet"
    trained = caffe.Net(str(folder / "train_test.prototxt"), caffe.TEST)
    trained.save("lenet.caffemodel")
    deploy = caffe.Net(str(folder / "deploy.prototxt"), caffe.TEST, weights="lenet.caffemodel")
    assert list(deploy.params) == list(trained.params)
    trained.forward()
    deploy.blobs["data"].reshape(*trained.blobs["data"].data.shape)
    deploy.blobs["data"].data[...] = trained.blobs["data"].data
    np.testing.assert_array_equal(deploy.forward()["ip2"], trained.blobs["ip2"].data)

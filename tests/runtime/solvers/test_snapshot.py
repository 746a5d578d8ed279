"""Snapshots: what they are called, what they hold, and that training goes on from them exactly."""

import os

import h5py
import numpy as np
import pytest
from google.protobuf import text_format

from caffe_pylayers.runtime.proto.caffe_pb2 import SolverParameter
from caffe_pylayers.runtime.solvers import SOLVERS, get_solver
from tests.runtime.solvers.nets import NET, feed, weights

HDF5 = pytest.param("snapshot_format: HDF5", ".h5", id="hdf5")
BINARY = pytest.param("", "", id="binary")


@pytest.fixture
def solver_of(tmp_path):
    """A solver whose snapshots go to tmp_path, and whose net is fed."""

    def make(kind="SGD", text=""):
        rates = 'base_lr: 0.1 lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 4 random_seed: 1'
        solver = get_solver(NET.solver(f'type: "{kind}" {rates} snapshot_prefix: "{tmp_path}/s" {text}'))
        feed(solver.net)
        return solver

    return make


@pytest.mark.parametrize(("text", "suffix"), [BINARY, HDF5])
@pytest.mark.parametrize("kind", SOLVERS.names())
def test_restored_is_uninterrupted(solver_of, tmp_path, kind, text, suffix):
    text += " momentum: 0.9" if kind not in ("AdaGrad", "RMSProp") else ""
    straight = solver_of(kind, text)
    straight.step(3)
    straight.snapshot()
    straight.step(3)
    resumed = solver_of(kind, text)
    resumed.net.learnable[0].data[...] = 0
    resumed.restore(tmp_path / f"s_iter_3.solverstate{suffix}")
    assert (resumed.iter, resumed.current_step) == (3, 1)
    feed(resumed.net, 3)
    resumed.step(3)
    np.testing.assert_array_equal(weights(resumed.net), weights(straight.net))
    for ours, theirs in zip(resumed.history, straight.history):
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_data_goes_on(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["data"] = np.random.RandomState(0).standard_normal((11, 2))
    (tmp_path / "data.txt").write_text(f"{tmp_path}/data.h5\n")
    net = f"""layer {{ name: "data" type: "HDF5Data" top: "data"
      hdf5_data_param {{ source: "{tmp_path}/data.txt" batch_size: 4 shuffle: true }} }}
    layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip" loss_weight: 1
      inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}"""
    text = f'type: "SGD" base_lr: 0.1 lr_policy: "fixed" iter_size: 2 random_seed: 1 snapshot_prefix: "{tmp_path}/s"'
    straight, resumed = (
        get_solver(text_format.Parse(f"net_param {{ {net} }} {text}", SolverParameter())) for _ in "12"
    )
    straight.step(3)
    straight.snapshot()
    straight.step(3)
    resumed.step(1)
    resumed.restore(tmp_path / "s_iter_3.solverstate")
    resumed.step(3)
    np.testing.assert_array_equal(weights(resumed.net), weights(straight.net))


@pytest.mark.parametrize(("text", "suffix"), [BINARY, HDF5])
def test_files(solver_of, tmp_path, text, suffix):
    solver = solver_of(text=f"snapshot: 2 max_iter: 5 {text}")
    solver.solve()
    expected = {f"s_iter_{i}.{kind}{suffix}" for i in (2, 4, 5) for kind in ("caffemodel", "solverstate")}
    assert set(os.listdir(tmp_path)) == expected


@pytest.mark.parametrize(("text", "last"), [("max_iter: 4", 4), ("max_iter: 5 snapshot_after_train: false", 4)])
def test_after_training(solver_of, tmp_path, text, last):
    solver_of(text=f"snapshot: 2 {text}").solve()
    assert max(os.listdir(tmp_path)) == f"s_iter_{last}.solverstate"
    assert len(os.listdir(tmp_path)) == 4


def test_solve_resumes(solver_of, tmp_path):
    solver_of(text="max_iter: 3").solve()
    solver = solver_of(text="max_iter: 5")
    solver.solve(tmp_path / "s_iter_3.solverstate")
    assert solver.iter == 5


def test_prefix_comes_from_the_file(tmp_path):
    path = tmp_path / "mine.prototxt"
    path.write_text(f'net_param {{ {NET.text()} }} base_lr: 1 lr_policy: "fixed"')
    get_solver(path).snapshot()
    assert (tmp_path / "mine_iter_0.caffemodel").exists()


@pytest.mark.parametrize("diff", [False, True])
def test_gradients_only_if_asked_for(solver_of, tmp_path, diff):
    solver = solver_of(text=f"snapshot_diff: {str(diff).lower()}")
    solver.step(1)
    solver.snapshot()
    other = solver_of()
    other.net.learnable[0].diff[...] = 0
    other.net.copy_from(tmp_path / "s_iter_1.caffemodel")
    assert other.net.learnable[0].diff.any() == diff


def state_of(solver):
    return solver.iter, weights(solver.net).copy(), [np.array(blob.data) for blob in solver.history]


def assert_unchanged(solver, before):
    after = state_of(solver)
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    for ours, theirs in zip(before[2], after[2]):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("Adam", ("", ""), r"s_iter_2.solverstate: holds 2 blobs of history, this solver 4"),
        (
            "SGD",
            ("weight_filler", "bias_term: false weight_filler"),
            r"holds 2 blobs of history, this solver 1",
        ),
        ("SGD", ("dim: 3", "dim: 5"), r"history blob 0 has shape \(2, 3\), this solver's \(2, 5\)"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(solver_of, tmp_path, kind, change, message):
    first = solver_of(text="momentum: 0.9")
    first.step(2)
    first.snapshot()
    path = tmp_path / "other.prototxt"
    path.write_text(f'net_param {{ {NET.text().replace(*change)} }} type: "{kind}" base_lr: 0.1 lr_policy: "fixed"')
    solver = get_solver(path)
    before = state_of(solver)
    with pytest.raises(ValueError, match=message):
        solver.restore(tmp_path / "s_iter_2.solverstate")
    assert_unchanged(solver, before)


def test_weights_that_are_gone(solver_of, tmp_path):
    solver = solver_of()
    solver.step(2)
    solver.snapshot()
    (tmp_path / "s_iter_2.caffemodel").unlink()
    solver.step(1)
    before = state_of(solver)
    with pytest.raises(RuntimeError, match=r"s_iter_2.solverstate: the weights it belongs to are missing: /"):
        solver.restore(tmp_path / "s_iter_2.solverstate")
    assert_unchanged(solver, before)


def test_missing_state(solver_of):
    with pytest.raises(RuntimeError, match=r"Could not open file nowhere.solverstate"):
        solver_of().restore("nowhere.solverstate")


def test_prefix_that_cannot_be_written_to(tmp_path):
    text = f'base_lr: 1 lr_policy: "fixed" snapshot: 1 snapshot_prefix: "{tmp_path}/no/where"'
    with pytest.raises(RuntimeError, match=r"cannot write to snapshot_prefix .*no/where: No such file or directory"):
        get_solver(NET.solver(text))


def test_snapshot_without_prefix():
    with pytest.raises(ValueError, match=r'SolverParameter: snapshot_prefix "\\x00" is no start of a file\'s name'):
        get_solver(NET.solver('base_lr: 1 lr_policy: "fixed" snapshot: 1 snapshot_prefix: "\\000"'))
    with pytest.raises(ValueError, match=r"SolverParameter: snapshot: 1 needs a snapshot_prefix"):
        get_solver(NET.solver("snapshot: 1"))

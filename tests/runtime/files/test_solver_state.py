"""Files of solver states."""

import h5py
import numpy as np
import pytest

from caffe_pylayers.runtime.files import solver_state
from caffe_pylayers.runtime.proto.caffe_pb2 import BlobProto, SolverState
from tests.runtime.files.weight_files import write

HISTORY = [
    np.full((4, 3, 3, 3), 0.5, np.float32),
    np.arange(4, dtype=np.float32),
    np.float32(2),
    np.zeros((0,), np.float32),
]


@pytest.mark.parametrize("name", ["s.solverstate", "s.solverstate.h5"])
def test_state_round_trip(tmp_path, name):
    solver_state.save_state(tmp_path / name, 7, "größe_iter_7.caffemodel", 3, HISTORY)
    state = solver_state.load_state(str(tmp_path / name))
    assert (state.iteration, state.learned_net, state.current_step) == (7, "größe_iter_7.caffemodel", 3)
    for ours, theirs in zip(state.history, HISTORY, strict=True):
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours, theirs)


def test_states_that_are_none(tmp_path):
    path = tmp_path / "s.solverstate"
    for content in (b"", b"not a state", SolverState(learned_net="x").SerializeToString()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"s\.solverstate: no solverstate, or not a whole one$"):
            solver_state.load_state(path)
    state = SolverState(iter=1, history=[BlobProto(data=[1, 2])])
    with pytest.raises(ValueError, match=r"s\.solverstate: history blob 0: shape \(\) needs 1 values, got 2$"):
        solver_state.load_state(write(path, state))
    path = tmp_path / "s.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"s\.h5: not an HDF5 file$"):
        solver_state.load_state(path)
    with h5py.File(path, "w") as file:
        file["iter"] = [1]
    with pytest.raises(ValueError, match=r"s\.h5: not what is expected, or not a whole one: .*history"):
        solver_state.load_state(path)


def test_shapes_are_compared_before_values_are_read(tmp_path):
    """A file of 12 kB that claims 373 GiB."""
    path = tmp_path / "s.h5"
    solver_state.save_state(path, 7, "", 3, HISTORY[:1])
    with h5py.File(path, "a") as file:
        del file["history/0"]
        file["history"].create_dataset("0", (100_000_000_000,), "f4", chunks=True)
    with pytest.raises(ValueError, match=r"s\.h5: history blob 0: has shape \(100000000000,\), a blob has at most"):
        solver_state.load_state(path)
    with h5py.File(path, "a") as file:
        del file["history/0"]
        file["history"].create_dataset("0", (2_000_000_000,), "f4", chunks=True)
    with pytest.raises(ValueError, match=r"s\.h5: history blob 0 has shape \(2000000000,\), this solver's"):
        solver_state.load_state(path, [(4, 3, 3, 3)])

"""Weights and solver states, written by one engine and read by the other."""

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffe_pylayers.runtime.files import solver_state, weights
from tests.parity.families import caffe_python
from tests.runtime.files.weight_files import assert_equal, fill, make_net, old_models, values, write

SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 snapshot_prefix: "real" snapshot_format: %s'


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory):
    """A folder of our files, and of what real Caffe wrote after it had read them."""
    python = caffe_python()
    if python is None:
        assert "CI" not in os.environ, "no real Caffe to exchange files with"
        pytest.skip("no real Caffe; `make caffe` installs one")
    folder = tmp_path_factory.mktemp("exchanged")
    net = fill(make_net(folder))
    weights.save(net, folder / "weights.caffemodel")
    weights.save_hdf5(net, folder / "weights.h5")
    for kind, message in old_models(net).items():
        write(folder / f"{kind}.caffemodel", message)
    history = [np.array(blob.diff) for blob in net.learnable]
    for suffix, kind in (("", "BINARYPROTO"), (".h5", "HDF5")):
        state = folder / f"state.solverstate{suffix}"
        (folder / f"{state.name}.prototxt").write_text(SOLVER % kind)
        learned = folder / ("weights.h5" if suffix else "weights.caffemodel")
        solver_state.save_state(state, 7, str(learned), 3, history)
    script = Path(__file__).parent / "exchange.py"
    subprocess.run([str(python), str(script), str(folder)], check=True, env=dict(os.environ, GLOG_minloglevel="2"))
    return folder


@pytest.mark.parametrize(
    "name",
    ["weights.caffemodel", "weights.h5", "v1.caffemodel", "v0.caffemodel", "double.caffemodel", "unpacked.caffemodel"],
)
def test_caffe_reads_our_files_and_writes_the_same_bytes(exchanged, name):
    assert (exchanged / f"real_{name}.caffemodel").read_bytes() == (exchanged / "weights.caffemodel").read_bytes()


@pytest.mark.parametrize("name", ["real_weights.h5.h5", "real_weights.caffemodel.caffemodel"])
def test_we_read_caffes_files(exchanged, tmp_path, name):
    net, other = fill(make_net(tmp_path)), fill(make_net(tmp_path), seed=2)
    weights.load(other, exchanged / name)
    assert_equal(values(other), values(net))


def layout(path):
    """What an HDF5 file has: the type, size and padding of each dataset, and its values."""
    found = {}

    def add(name, item):
        found[name] = None
        if isinstance(item, h5py.Dataset):
            kind, space = item.id.get_type(), item.id.get_space()
            padding = kind.get_strpad() if isinstance(kind, h5py.h5t.TypeStringID) else None
            values = None if name == "learned_net" else item[()].tolist()
            size = None if name == "learned_net" else kind.get_size()
            found[name] = (
                kind.get_class(),
                size,
                padding,
                space.get_simple_extent_type(),
                item.shape,
                item.chunks,
                values,
            )

    with h5py.File(path) as file:
        file.visititems(add)
    return found


def test_hdf5_has_caffes_layout(exchanged):
    assert layout(exchanged / "weights.h5") == layout(exchanged / "real_weights.h5.h5")
    assert layout(exchanged / "state.solverstate.h5") == layout(exchanged / "real_iter_7.solverstate.h5")


@pytest.mark.parametrize("suffix", ["", ".h5"])
def test_states_travel_both_ways(exchanged, suffix):
    ours = solver_state.load_state(exchanged / f"state.solverstate{suffix}")
    theirs = solver_state.load_state(exchanged / f"real_iter_7.solverstate{suffix}")
    assert theirs.learned_net == f"real_iter_7.caffemodel{suffix}"
    assert (ours.iteration, ours.current_step) == (theirs.iteration, theirs.current_step)
    assert_equal(dict(enumerate(ours.history)), dict(enumerate(theirs.history)))


def test_binary_states_have_caffes_bytes(exchanged, tmp_path):
    theirs = exchanged / "real_iter_7.solverstate"
    state = solver_state.load_state(theirs)
    solver_state.save_state(tmp_path / "again", state.iteration, state.learned_net, state.current_step, state.history)
    assert (tmp_path / "again").read_bytes() == theirs.read_bytes()

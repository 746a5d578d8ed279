"""Beside real Caffe: LevelDB, the file of HDF5Output, and how random crops and mirrors are spread."""

import subprocess
from collections import Counter

import numpy as np
import pytest

from tests.parity.families import ROOT

h5py = pytest.importorskip("h5py")
lmdb = pytest.importorskip("lmdb")
plyvel = pytest.importorskip("plyvel")
pycaffe = pytest.importorskip("caffe_pylayers.pycaffe")

LEVELDB = 'data_param {{ source: "{}/db" batch_size: 3 }} transform_param {{ scale: 0.3 mean_value: 9 }}'
CROPS = """data_param {{ source: "{}/lmdb" backend: LMDB batch_size: 1200 }}
           transform_param {{ crop_size: 3 mirror: true }}"""
DATA = 'layer {{ name: "data" type: "Data" top: "data" top: "label" {} }}'
OUTPUT = """
layer {{ name: "in" type: "Input" top: "a" top: "b" input_param {{ shape {{ dim: 3 dim: 2 }} shape {{ dim: 3 }} }} }}
layer {{ name: "out" type: "HDF5Output" bottom: "a" bottom: "b" hdf5_output_param {{ file_name: "{}/out.h5" }} }}
"""


def blobs(net):
    return {name: np.array(blob.data) for name, blob in net.blobs.items()}


@pytest.fixture(scope="module")
def recorded(real_python, tmp_path_factory):
    """A folder with stores, nets, and what real Caffe made of them."""
    from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

    folder, random = tmp_path_factory.mktemp("stores"), np.random.RandomState(0)

    def datum(label):
        values = random.randint(0, 256, 20).astype(np.uint8).tobytes()
        return Datum(channels=1, height=4, width=5, data=values, label=label).SerializeToString()

    with plyvel.DB(str(folder / "db"), create_if_missing=True) as db:
        for i in range(5):
            db.put(b"%04d" % i, datum(i))
    with lmdb.open(str(folder / "lmdb"), map_size=1 << 16) as env, env.begin(write=True) as txn:
        txn.put(b"0", datum(0))
    for name, text in (
        ("leveldb", DATA.format(LEVELDB)),
        ("crops", DATA.format(CROPS)),
        ("output", OUTPUT),
    ):
        (folder / f"{name}.prototxt").write_text(text.replace("{{", "{").replace("}}", "}").replace("{}", str(folder)))
    script = ROOT / "tests" / "parity" / "record_stores.py"
    subprocess.run([str(real_python), str(script), str(folder)], check=True)
    return folder


def test_leveldb(recorded):
    net = pycaffe.Net(str(recorded / "leveldb.prototxt"), pycaffe.TRAIN)
    runs = [blobs(net) for _ in range(2) if net.forward()]
    with np.load(recorded / "leveldb.npz") as wanted:
        for name in wanted:
            np.testing.assert_array_equal(np.concatenate([run[name] for run in runs]), wanted[name])


def test_crops_and_mirrors_are_spread_alike(recorded):
    """Two rows, three columns, two directions: 12 kinds, each about as often as the others, in both."""
    pycaffe.set_random_seed(3)
    net = pycaffe.Net(str(recorded / "crops.prototxt"), pycaffe.TRAIN)
    net.forward()
    with np.load(recorded / "crops.npz") as file:
        wanted = Counter(crop.tobytes() for crop in file["data"])
    found = Counter(crop.tobytes() for crop in net.blobs["data"].data)
    assert set(found) == set(wanted)
    assert len(found) == 12
    for counts in (found, wanted):
        each = sum(counts.values()) / 12
        assert sum((n - each) ** 2 / each for n in counts.values()) < 45, "chi square, 11 degrees: once in 200,000"


def test_hdf5_output(recorded):
    with h5py.File(recorded / "out.h5") as file:
        wanted = {name: (file[name].dtype, file[name][...]) for name in file}
    net = pycaffe.Net(str(recorded / "output.prototxt"), pycaffe.TRAIN)
    for name in net.inputs:
        blob = net.blobs[name].data
        blob[...] = np.arange(blob.size).reshape(blob.shape)
    net.forward()
    with h5py.File(recorded / "out.h5") as file:
        assert set(file) == set(wanted)
        for name, (dtype, values) in wanted.items():
            assert file[name].dtype == dtype
            np.testing.assert_array_equal(file[name][...], values)
            assert file[name].shape == values.shape

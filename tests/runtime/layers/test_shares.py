"""Solvers that train together read what one reads whose batch is as large as theirs together."""

import logging

import cv2
import h5py
import lmdb
import numpy as np
import pytest
from google.protobuf import text_format

from caffe_pylayers._nets.prototxt import parse_net
from caffe_pylayers.runtime import process, rng
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.proto.caffe_pb2 import Datum, SolverParameter
from caffe_pylayers.runtime.solvers import SGDSolver
from tests.runtime.layers.one_layer import TEST, TRAIN, one_layer

ITEMS, BATCH = 23, 4
CROPPED = "transform_param { mirror: true crop_size: 3 }"
LAYERS = {
    "records": ("Data", f'data_param {{ backend: LMDB source: "lmdb" batch_size: %d }} {CROPPED}'),
    "encoded records": ("Data", f'data_param {{ backend: LMDB source: "encoded" batch_size: %d }} {CROPPED}'),
    "rows": ("HDF5Data", 'top: "data" top: "label" hdf5_data_param { source: "files.txt" batch_size: %d }'),
    "rows of one file": ("HDF5Data", 'top: "data" top: "label" hdf5_data_param { source: "one.txt" batch_size: %d }'),
    "shuffled rows": (
        "HDF5Data",
        'top: "data" top: "label" hdf5_data_param { source: "files.txt" batch_size: %d shuffle: true }',
    ),
    "images": ("ImageData", f'image_data_param {{ source: "images.txt" batch_size: %d }} {CROPPED}'),
    "shuffled images": (
        "ImageData",
        'image_data_param { source: "images.txt" batch_size: %d shuffle: true rand_skip: 9 }' + CROPPED,
    ),
    "windows": (
        "WindowData",
        'window_data_param { source: "windows.txt" batch_size: %d } transform_param { mirror: true crop_size: 5 }',
    ),
}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """The data of all layers, in the working folder."""
    folder = tmp_path_factory.mktemp("data")
    pixels = np.random.RandomState(0).randint(0, 256, (ITEMS, 4, 5, 3)).astype(np.uint8)
    for i, image in enumerate(pixels):
        cv2.imwrite(str(folder / f"{i}.png"), image)
    for name in ("lmdb", "encoded"):
        with lmdb.open(str(folder / name), map_size=1 << 20) as env, env.begin(write=True) as txn:
            for i, image in enumerate(pixels):
                shape = dict(zip(("height", "width", "channels"), image.shape))
                datum = Datum(data=image.transpose(2, 0, 1).tobytes(), label=i, **shape)
                if name == "encoded":
                    datum = Datum(data=(folder / f"{i}.png").read_bytes(), encoded=True, label=i)
                txn.put(b"%04d" % i, datum.SerializeToString())
    for name, rows in (("a", slice(0, 2)), ("b", slice(2, 16)), ("c", slice(16, ITEMS)), ("all", slice(ITEMS))):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"], file["label"] = pixels[rows], np.arange(ITEMS)[rows]
    (folder / "files.txt").write_text("a.h5\nb.h5\nc.h5\n")
    (folder / "one.txt").write_text("all.h5\n")
    (folder / "images.txt").write_text("".join(f"{i}.png {i}\n" for i in range(ITEMS)))
    windows = "{} 0.9 0 0 3 3\n0 0.1 1 1 4 3\n"
    (folder / "windows.txt").write_text(
        "".join(f"# {i}\n{i}.png\n3\n4\n5\n2\n{windows.format(i + 1)}" for i in range(ITEMS))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture
def solvers():
    """Take the part of a solver of several: solvers(rank, count)."""

    def take(rank, count):
        process.set_solver_rank(rank)
        process.set_solver_count(count)

    yield take
    take(0, 1)


def made(name, size, phase=TRAIN):
    rng.seed(5)
    kind, param = LAYERS[name]
    return one_layer(kind, param % size, tops=2, phase=phase)


def batches(name, size, count, phase=TRAIN):
    """The tops of the layer's first batches."""
    return following(*made(name, size, phase), count)


def following(layer, bottom, top, count):
    """The tops of the layer's next batches, copied."""
    found = []
    for _ in range(count):
        layer.forward(bottom, top)
        found.append([blob.data.copy() for blob in top])
    return found


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("count", [2, 3, 8])
def test_solvers_share_the_batch_of_one(solvers, name, count):
    iterations = 3 * ITEMS // (count * BATCH) + 1
    one = batches(name, count * BATCH, iterations)
    for rank in range(count):
        solvers(rank, count)
        for mine, all_of_it in zip(batches(name, BATCH, iterations), one):
            for values, of_all in zip(mine, all_of_it):
                np.testing.assert_array_equal(values, of_all[rank::count])


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rank", [0, 2])
def test_it_goes_on_at_any_batch(solvers, name, rank):
    solvers(rank, 3)
    expected = batches(name, BATCH, 12)
    layer, bottom, top = made(name, BATCH)
    for start in (0, 9, 3, 4, 11):
        layer.start_at_batch(start)
        for mine, theirs in zip(following(layer, bottom, top, min(3, 12 - start)), expected[start:]):
            for values, others in zip(mine, theirs):
                np.testing.assert_array_equal(values, others)


@pytest.mark.parametrize("number", [-1, 1.0, True, None])
def test_it_goes_on_at_a_number_of_batches_alone(number):
    with pytest.raises(
        LayerError, match=r"^layer \"l\" \(Data\): start_at_batch takes the number of batches before, got"
    ):
        made("records", 2)[0].start_at_batch(number)


@pytest.mark.parametrize("name", LAYERS)
def test_a_solver_tests_on_all(solvers, name):
    alone = batches(name, BATCH, 8, TEST)
    solvers(0, 2)
    for ours, theirs in zip(batches(name, BATCH, 8, TEST), alone):
        for values, expected in zip(ours, theirs):
            np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("rank", [0, 1])
def test_one_warning_of_shares_that_overlap(solvers, caplog, monkeypatch, rank):
    solvers(rank, 2)
    monkeypatch.setattr(rng, "_seed", None)
    with caplog.at_level(logging.WARNING):
        for kind, param in LAYERS.values():
            one_layer(kind, param % 2, tops=2)
    said = [message for message in caplog.messages if "shuffles for itself" in message]
    assert len(said) == (0 if rank else 2)
    assert all(message.endswith("set the solver's random_seed") for message in said)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_alone_warns_of_what_all_read(solvers, caplog, rank):
    solvers(rank, 2)
    with caplog.at_level(logging.WARNING):
        parse_net("layer { type: 'BN' bn_param { engine: CAFFE } }", "net")
    assert len(caplog.messages) == 1 - rank


def test_solvers_draw_alike_until_their_nets_are_made(solvers):
    """The weights, which are the first's in the end, and the orders; then each for itself."""
    net = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {
      num_output: 2 weight_filler { type: "xavier" } } }"""
    weights, drawn = [], []
    for rank in range(2):
        solvers(rank, 2)
        solver = SGDSolver(text_format.Parse(f"net_param {{ {net} }} random_seed: 7", SolverParameter()))
        weights.append(solver.net.params["ip"][0].data.copy())
        drawn.append(rng.generator(device.HOST).initial_seed())
    np.testing.assert_array_equal(*weights)
    assert drawn == [7, 8]

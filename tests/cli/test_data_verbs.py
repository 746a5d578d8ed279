"""``convert-images``, ``mean``, ``features`` and ``upgrade``, beside real Caffe's tools."""

import os
import subprocess

import numpy as np
import pytest

from caffe_pylayers.cli import main
from tests.parity.families import caffe_python

pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")
lmdb = pytest.importorskip("lmdb")

from caffe_pylayers.runtime.proto.caffe_pb2 import BlobProto, Datum, NetParameter

NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
        data_param { backend: LMDB source: "SOURCE" batch_size: 3 } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE global_pooling: true } }
"""


@pytest.fixture
def tool(tmp_path):
    """Runs one of real Caffe's tools; skipped without a Caffe, but in CI."""
    python = caffe_python()

    def run(name, *arguments):
        program = python and python.parent.parent / "usr" / "bin" / name
        if not program or not program.exists():
            assert "CI" not in os.environ, f"no {name} of a real Caffe"
            pytest.skip(f"no {name}; `make caffe` installs one")
        env = {"PYTHONHOME": str(program.parent.parent), "GLOG_minloglevel": "2"}
        subprocess.run([str(program), *map(str, arguments)], env=env, check=True, cwd=tmp_path)

    return run


@pytest.fixture
def images(tmp_path):
    """A folder of two classes, five images in all, and their list."""
    lines = []
    for i in range(5):
        name = f"{'cat' if i < 3 else 'dog'}/{i}.{'png' if i % 2 else 'jpg'}"
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.random.RandomState(i).randint(0, 256, (6 + i, 8, 3)).astype(np.uint8))
        lines.append(f"{name} {int(i >= 3)}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    return tmp_path / "images"


def run(capsys, verb, *arguments):
    assert main(list(map(str, arguments)), verb=verb) == 0
    return capsys.readouterr().out


def fails(capsys, verb, *arguments):
    assert main(list(map(str, arguments)), verb=verb) == 1
    return capsys.readouterr().err


def records(path):
    with lmdb.open(str(path), readonly=True, lock=False) as database, database.begin() as transaction:
        return [(bytes(key), Datum.FromString(value)) for key, value in transaction.cursor()]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["--resize-height", "7", "--resize_width", "5"], ["-resize_height=7", "-resize_width=5"]),
        (["--resize-height", "7", "--resize-width", "9", "--gray"], ["-resize_height=7", "-resize_width=9", "-gray"]),
        (["--encoded", "--encode-type", "png"], ["-encoded", "-encode_type=png"]),
    ],
)
def test_the_database_of_convert_imageset(capsys, tool, images, tmp_path, ours, theirs):
    tool("convert_imageset", *theirs, "-backend=lmdb", f"{images}/", tmp_path / "list.txt", tmp_path / "real")
    out = run(capsys, "convert-images", images, tmp_path / "list.txt", tmp_path / "mine", *ours)
    assert out == f"{tmp_path / 'mine'}: 5 images\n"
    found, wanted = records(tmp_path / "mine"), records(tmp_path / "real")
    assert [key for key, _ in found] == [key for key, _ in wanted]
    for (_, mine), (_, real) in zip(found, wanted):
        assert mine.label == real.label
        if real.encoded:
            decoded = [cv2.imdecode(np.frombuffer(datum.data, np.uint8), -1) for datum in (mine, real)]
            np.testing.assert_array_equal(*decoded)
        else:
            assert mine.data == real.data
            assert (mine.channels, mine.height, mine.width) == (real.channels, real.height, real.width)


def test_a_class_for_each_folder_and_a_random_order(capsys, images, tmp_path):
    out = run(capsys, "convert-images", images, tmp_path / "plain")
    assert out.splitlines()[:2] == ["0 cat", "1 dog"]
    assert [datum.label for _, datum in records(tmp_path / "plain")] == [0, 0, 0, 1, 1]
    run(capsys, "convert-images", images, tmp_path / "shuffled", "--shuffle", "--seed", 1)
    names = [key.partition(b"_")[2] for key, _ in records(tmp_path / "shuffled")]
    assert sorted(names) == [key.partition(b"_")[2] for key, _ in records(tmp_path / "plain")] != names


def test_what_cannot_be_converted_leaves_nothing(capsys, images, tmp_path):
    (images / "cat" / "0.jpg").write_bytes(b"no image")
    before = set(tmp_path.iterdir())
    target = tmp_path / "lmdb"
    for arguments, message in (
        ([], "0.jpg: 8 bytes of an encoded image are no image that OpenCV can decode"),
        (["--resize-height", "4"], "give --resize-height and --resize-width together"),
        (["--skip-unreadable", "--check-size"], "2.jpg: 192 values, the first image has 168"),
    ):
        assert fails(capsys, "convert-images", images, target, *arguments).endswith(f"{message}\n")
        assert set(tmp_path.iterdir()) == before
    (tmp_path / "list.txt").write_text("cat/1.png 0\ncat/2.jpg cat\n")
    err = fails(capsys, "convert-images", images, tmp_path / "list.txt", target)
    assert err.endswith('list.txt:2: a line must have a path, a blank and a label, got "cat/2.jpg cat"\n')
    out = run(capsys, "convert-images", images, target, "--skip-unreadable")
    assert "skipped" in out
    assert out.endswith("lmdb: 4 images, 1 skipped\n")
    assert "is there already" in fails(capsys, "convert-images", images, target)


def test_the_mean_of_compute_image_mean(capsys, tool, images, tmp_path):
    run(capsys, "convert-images", images, tmp_path / "lmdb", "--resize-height", 6, "--resize-width", 6)
    out = run(capsys, "mean", tmp_path / "lmdb", tmp_path / "mine.binaryproto")
    tool("compute_image_mean", tmp_path / "lmdb", tmp_path / "real.binaryproto")
    mine, real = (BlobProto.FromString((tmp_path / f"{name}.binaryproto").read_bytes()) for name in ("mine", "real"))
    np.testing.assert_allclose(mine.data, real.data, rtol=1e-6)
    assert (mine.num, mine.channels, mine.height, mine.width) == (real.num, real.channels, real.height, real.width)
    blue = np.mean(np.array(real.data).reshape(3, -1)[0])
    assert out.splitlines()[:2] == ["5 images of 3 x 6 x 6", f"mean_value channel [0]: {blue:g}"]
    assert "none cannot be opened as LMDB" in fails(capsys, "mean", tmp_path / "none")
    run(capsys, "convert-images", images, tmp_path / "sizes")
    assert "image 1 has shape (3, 7, 8), the first has (3, 6, 8)" in fails(capsys, "mean", tmp_path / "sizes")


def test_features(capsys, images, tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.setenv("CAFFE_PYLAYERS_ENGINE", "runtime")
    from caffe_pylayers import runtime

    run(capsys, "convert-images", images, tmp_path / "lmdb", "--resize-height", 2, "--resize-width", 2)
    means = np.array([np.frombuffer(d.data, np.uint8).reshape(3, -1).mean(1) for _, d in records(tmp_path / "lmdb")])
    model = tmp_path / "net.prototxt"
    model.write_text(NET.replace("SOURCE", str(tmp_path / "lmdb")))
    runtime.Net(model, runtime.TEST).save(tmp_path / "net.caffemodel")
    common = ["--model", model, "--weights", tmp_path / "net.caffemodel", "--iterations", 2, "--blobs", "mean,label"]
    for name in ("out.h5", "out.npz", "out"):
        run(capsys, "features", *common, tmp_path / name)
    wanted = np.concatenate([means, means[:1]])
    with h5py.File(tmp_path / "out.h5") as file, np.load(tmp_path / "out.npz") as arrays:
        for found in (file, arrays):
            np.testing.assert_allclose(found["mean"][...][:, :, 0, 0], wanted)
            np.testing.assert_array_equal(found["label"][...], [0, 0, 0, 1, 1, 0])
    stored = records(tmp_path / "out" / "mean")
    assert [key for key, _ in stored] == [b"%010d" % i for i in range(6)]
    np.testing.assert_allclose([datum.float_data for _, datum in stored], wanted)
    err = fails(capsys, "features", *common[:-1], "mean,none", tmp_path / "x.h5")
    assert err.endswith("net.prototxt: no blob none; the net has data, label, mean\n")


OLD = 'name: "n" layers { name: "r" type: RELU bottom: "x" top: "y" } input: "x" input_dim: 1 input_dim: 2'
OLD += " input_dim: 3 input_dim: 4"


def test_upgrades(capsys, tool, tmp_path):
    old, new, solver = tmp_path / "old.prototxt", tmp_path / "new.prototxt", tmp_path / "solver.prototxt"
    old.write_text(OLD)
    tool("upgrade_net_proto_text", old, new)
    assert run(capsys, "upgrade", old) == new.read_text()
    assert run(capsys, "upgrade", old, "--in-place") == f"{old}\n"
    assert old.read_text() == new.read_text()
    solver.write_text('solver_type: ADAM net: "x"')
    assert 'type: "Adam"' in run(capsys, "upgrade", solver)
    model = tmp_path / "old.caffemodel"
    model.write_bytes(NetParameter(name="n", layers=[{"name": "r", "type": "RELU"}]).SerializeToString())
    assert "a binary file needs OUTPUT or --in-place" in fails(capsys, "upgrade", model)
    run(capsys, "upgrade", model, tmp_path / "new.caffemodel")
    assert NetParameter.FromString((tmp_path / "new.caffemodel").read_bytes()).layer[0].type == "ReLU"
    old.write_text("nam: 1")
    assert "old.prototxt:1:1: " in fails(capsys, "upgrade", old)

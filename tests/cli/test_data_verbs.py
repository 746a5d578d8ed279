"""``convert-images``, ``mean``, ``features`` and ``upgrade``, beside real Caffe's tools."""

import numpy as np
import pytest

from caffe_pylayers.cli import main

pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")
lmdb = pytest.importorskip("lmdb")

from caffe_pylayers.runtime.proto.caffe_pb2 import BlobProto, Datum, NetParameter

NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
        data_param { backend: LMDB source: "SOURCE" batch_size: 3 } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE global_pooling: true } }
"""
INPUT = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 1 dim: 1 dim: 1 dim: 3 } } }
"""


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
        (["--resize-height", "4"], "give --resize-height and --resize-width together, in pixels"),
        (["--skip-unreadable", "--check-size", "--encoded"], "2.jpg: 3 x 8 x 8, the first image has 3 x 7 x 8"),
        (["--encode-type", "xyz", "--encoded", "--skip-unreadable"], "OpenCV cannot encode images as xyz"),
        (["--skip-unreadable", "--check-size"], "2.jpg: 3 x 8 x 8, the first image has 3 x 7 x 8"),
    ):
        assert fails(capsys, "convert-images", images, target, *arguments).endswith(f"{message}\n")
        assert set(tmp_path.iterdir()) == before
    (tmp_path / "list.txt").write_text("cat/1.png 0\n\ncat/0.jpg 0\n")
    err = fails(capsys, "convert-images", images, tmp_path / "list.txt", target)
    assert f"{tmp_path / 'list.txt'}:3: {images / 'cat/0.jpg'}: 8 bytes" in err
    (tmp_path / "list.txt").write_text("cat/1.png 0\ncat/9.jpg 0\n")
    err = fails(capsys, "convert-images", images, tmp_path / "list.txt", target)
    assert err.endswith(f"list.txt:2: {images / 'cat/9.jpg'}: No such file or directory\n")
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


def test_features(capsys, tool, images, tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.setenv("CAFFE_PYLAYERS_ENGINE", "runtime")
    from caffe_pylayers import runtime

    run(capsys, "convert-images", images, tmp_path / "lmdb", "--resize-height", 2, "--resize-width", 2)
    means = np.array([np.frombuffer(d.data, np.uint8).reshape(3, -1).mean(1) for _, d in records(tmp_path / "lmdb")])
    model = tmp_path / "net.prototxt"
    model.write_text(NET.replace("SOURCE", str(tmp_path / "lmdb")))
    runtime.Net(model, runtime.TEST).save(tmp_path / "net.caffemodel")
    common = ["--model", model, "--weights", tmp_path / "net.caffemodel", "--iterations", 2, "--blobs", "mean,label"]
    for name, options in {"out.h5": [], "out": ["--format", "npz"], "folder": []}.items():
        run(capsys, "features", *common, *options, tmp_path / name)
    wanted = np.concatenate([means, means[:1]])
    with h5py.File(tmp_path / "out.h5") as file, np.load(tmp_path / "out") as arrays:
        for found in (file, arrays):
            np.testing.assert_allclose(found["mean"][...][:, :, 0, 0], wanted)
            np.testing.assert_array_equal(found["label"][...], [0, 0, 0, 1, 1, 0])
    stored = {name: records(tmp_path / "folder" / name) for name in ("mean", "label")}
    np.testing.assert_allclose([datum.float_data for _, datum in stored["mean"]], wanted)
    tool("extract_features", tmp_path / "net.caffemodel", model, "mean,label", "real_mean,real_label", 2, "lmdb")
    for name, mine in stored.items():
        real = records(tmp_path / f"real_{name}")
        assert [key for key, _ in mine] == [key for key, _ in real]
        for (_, datum), (_, wanted) in zip(mine, real):
            np.testing.assert_allclose(datum.float_data, wanted.float_data, rtol=1e-6)
            assert (datum.channels, datum.height, datum.width) == (wanted.channels, wanted.height, wanted.width)


def test_features_that_cannot_be_kept(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CAFFE_PYLAYERS_ENGINE", "runtime")
    from caffe_pylayers import runtime

    model = tmp_path / "net.prototxt"
    model.write_text(INPUT)
    runtime.Net(model, runtime.TEST).save(tmp_path / "net.caffemodel")
    before = set(tmp_path.iterdir())
    monkeypatch.delattr("os.posix_fallocate", raising=False)  # which finds some sizes too large for any disk
    common = ["--model", model, "--weights", tmp_path / "net.caffemodel", "--blobs"]
    for blobs, output, options, message in (
        ("a,none", "x.h5", (), "net.prototxt: no blob none; the net has a\n"),
        ("a", "none/x.h5", (), "none\n"),
        ("a", "x.h5", ("--iterations", 1 << 40), "No space left on device\n"),
        ("a", "lmdbs", (), "blob a has shape (2, 1, 1, 1, 3); a Datum has 3 axes, keep it in an .h5 file\n"),
    ):
        assert fails(capsys, "features", *common, blobs, *options, tmp_path / output).endswith(message)
        assert set(tmp_path.iterdir()) == before


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
    mean = tmp_path / "mean.binaryproto"
    mean.write_bytes(BlobProto(num=1, channels=1, height=1, width=1, data=[1.0]).SerializeToString())
    assert "mean.binaryproto: no caffemodel: it has no layers" in fails(capsys, "upgrade", mean, "--in-place")
    old.write_text("nam: 1")
    assert "old.prototxt:1:1: " in fails(capsys, "upgrade", old)

"""``convert-images``, ``mean`` and ``upgrade``, beside real Caffe's tools."""

import numpy as np
import pytest

from caffe_pylayers.cli import main

pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("lmdb")

from caffe_pylayers.runtime.proto.caffe_pb2 import BlobProto, Datum, NetParameter
from tests.cli.databases import contents


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


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-resize_height=7", "-resize_width=5"],
        ["--resize_height", "7", "--resize_width", "9", "--gray"],
        ["-encoded"],
        ["-encoded", "-encode_type=png"],
        ["--encode_type", "jpg", "--backend", "leveldb"],
    ],
)
def test_the_database_of_convert_imageset(capsys, tool, images, tmp_path, options):
    lines = (tmp_path / "list.txt").read_text().splitlines()
    (tmp_path / "list.txt").write_text("\n".join([*lines[:2], "cat/none.jpg 7", *lines[2:]]))
    tool("convert_imageset", *options, f"{images}/", tmp_path / "list.txt", tmp_path / "real")
    out = run(capsys, "convert-images", *options, "--skip-unreadable", images, tmp_path / "list.txt", tmp_path / "mine")
    assert out.endswith(f"{tmp_path / 'mine'}: 5 images, 1 skipped\n")
    found, wanted = contents(tmp_path / "mine"), contents(tmp_path / "real")
    assert list(found) == list(wanted)
    for key, mine in found.items():
        datum = Datum.FromString(mine)
        if datum.encoded and mine != wanted[key]:  # by another release of the encoder
            real = Datum.FromString(wanted[key])
            assert datum.label == real.label
            pixels = [cv2.imdecode(np.frombuffer(each.data, np.uint8), -1) for each in (datum, real)]
            np.testing.assert_allclose(*pixels, atol=3)
        else:
            assert mine == wanted[key]


def test_a_class_for_each_folder_and_a_random_order(capsys, images, tmp_path):
    out = run(capsys, "convert-images", images, tmp_path / "plain")
    assert out.splitlines()[:2] == ["0 cat", "1 dog"]
    assert (tmp_path / "plain").stat().st_mode & 0o700 == 0o700  # root alone could do without
    assert [Datum.FromString(value).label for value in contents(tmp_path / "plain").values()] == [0, 0, 0, 1, 1]
    run(capsys, "convert-images", images, tmp_path / "shuffled", "--shuffle", "--seed", 1)
    plain, shuffled = ([key[9:] for key in contents(tmp_path / name)] for name in ("plain", "shuffled"))
    assert sorted(shuffled) == plain != shuffled


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
    mine, real = ((tmp_path / f"{name}.binaryproto").read_bytes() for name in ("mine", "real"))
    assert mine == real
    real = BlobProto.FromString(real)
    blue = np.mean(np.array(real.data).reshape(3, -1)[0])
    assert out.splitlines()[:2] == ["5 images of 3 x 6 x 6", f"mean_value channel [0]: {blue:g}"]
    assert "none cannot be opened as LMDB" in fails(capsys, "mean", tmp_path / "none")
    run(capsys, "convert-images", images, tmp_path / "sizes")
    assert "image 1 has shape (3, 7, 8), the first has (3, 6, 8)" in fails(capsys, "mean", tmp_path / "sizes")


OLD = 'name: "n" layers { name: "r" type: RELU bottom: "x" top: "y" } input: "x" input_dim: 1 input_dim: 2'
OLD += " input_dim: 3 input_dim: 4"


def test_a_forks_net_is_upgraded_as_it_is(capsys, tmp_path):
    path = tmp_path / "fork.prototxt"
    path.write_text(
        "layers { name: 'a' type: RELU } layers { name: 'b' type: POOLING pooling_param { ceil_mode: false } }"
    )
    assert "ceil_mode: false" in run(capsys, "upgrade", path)


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

"""``caffe-pylayers features``, on the engine that is there, beside real Caffe's extract_features."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers._disk.database import new_database
from caffe_pylayers.cli import features, main
from tests.cli.databases import contents
from tests.full_disk import limited

pytest.importorskip("lmdb")

NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
        data_param { backend: LMDB source: "SOURCE" batch_size: 3 } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE global_pooling: true } }
"""
FIVE_AXES = """
layer { name: "a" type: "DummyData" top: "a" dummy_data_param { shape { dim: 2 dim: 1 dim: 1 dim: 1 dim: 3 } } }
"""


@pytest.fixture
def save(tmp_path):
    """save(text): the arguments of a net and its weights."""

    def arguments(text):
        caffe = _engine.caffe()
        model, weights = str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel")
        (tmp_path / "net.prototxt").write_text(text)
        caffe.Net(model, caffe.TEST).save(weights)
        return ["--model", model, "--weights", weights]

    return arguments


@pytest.fixture
def means(tmp_path):
    """An LMDB of five images; the means of their channels."""
    images = np.random.RandomState(0).randint(0, 256, (5, 3, 2, 2)).astype(np.uint8)
    with new_database(tmp_path / "lmdb", "lmdb") as put:
        for i, image in enumerate(images):
            datum = _engine.messages().Datum(channels=3, height=2, width=2, data=image.tobytes(), label=i)
            put(b"%08d" % i, datum)
    return images.reshape(5, 3, -1).mean(2)


def test_arrays(save, means, tmp_path, capsys):
    h5py = pytest.importorskip("h5py")
    net = save(NET.replace("SOURCE", str(tmp_path / "lmdb")))
    for name, options in {"out.h5": [], "out": ["--format", "npz"]}.items():
        output = tmp_path / name
        assert main([*net, "--iterations", "2", "--blobs", "mean,label", *options, str(output)], verb="features") == 0
        assert capsys.readouterr().out == f"{output}: mean, label of 2 batches\n"
    with h5py.File(tmp_path / "out.h5", "r") as file, np.load(tmp_path / "out") as arrays:
        for found in (file, arrays):
            np.testing.assert_allclose(found["mean"][...][:, :, 0, 0], np.concatenate([means, means[:1]]))
            np.testing.assert_array_equal(found["label"][...], [0, 1, 2, 3, 4, 0])


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
@pytest.mark.usefixtures("means")
def test_the_databases_of_extract_features(save, tool, tmp_path, backend):
    if backend == "leveldb":
        pytest.importorskip("plyvel")
    _, model, _, weights = net = save(NET.replace("SOURCE", str(tmp_path / "lmdb")))
    arguments = ["--iterations", "2", "--blobs", "mean,label", "--format", backend, str(tmp_path / "mine")]
    assert main([*net, *arguments], verb="features") == 0
    tool("extract_features", weights, model, "mean,label", "real_mean,real_label", 2, backend)
    datum = _engine.messages().Datum
    for name in ("mean", "label"):
        found, wanted = contents(tmp_path / "mine" / name), contents(tmp_path / f"real_{name}")
        assert list(found) == list(wanted)
        for mine, real in zip(*(map(datum.FromString, records.values()) for records in (found, wanted))):
            np.testing.assert_allclose(mine.float_data, real.float_data, rtol=1e-6)
            assert (mine.channels, mine.height, mine.width) == (real.channels, real.height, real.width)


@pytest.mark.parametrize("kind", ["h5", "npz"])
def test_a_disk_that_gets_full_meanwhile(save, tmp_path, capsys, monkeypatch, kind):
    net = save(FIVE_AXES)
    before = set(tmp_path.iterdir())
    monkeypatch.setattr(features, "check_room", lambda folder, *sizes: None)
    with limited(1000):
        assert main([*net, "--blobs", "a", "--iterations", "100", str(tmp_path / f"x.{kind}")], verb="features") == 1
    assert capsys.readouterr().err.endswith(f"x.{kind}: File too large\n")
    assert set(tmp_path.iterdir()) == before


def test_what_cannot_be_kept(save, tmp_path, capsys, monkeypatch):
    net = save(FIVE_AXES)
    before = set(tmp_path.iterdir())
    monkeypatch.delattr("os.posix_fallocate", raising=False)  # which finds some sizes too large for any disk
    for blobs, output, options, message in (
        ("a,none", "x.h5", (), "net.prototxt: no blob none; the net has a\n"),
        ("a", "none/x.h5", (), "none\n"),
        ("a", "x.h5", ("--iterations", str(1 << 40)), "No space left on device\n"),
        ("a", "lmdbs", (), "blob a has shape (2, 1, 1, 1, 3); a Datum has 3 axes, keep it in an .h5 file\n"),
    ):
        assert main([*net, "--blobs", blobs, *options, str(tmp_path / output)], verb="features") == 1
        assert capsys.readouterr().err.endswith(message)
        assert set(tmp_path.iterdir()) == before

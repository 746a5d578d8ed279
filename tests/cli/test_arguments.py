"""Arguments of the verbs that go wrong before any work is done."""

import pytest

from caffe_pylayers.cli import main

NET = 'layer { name: "a" type: "DummyData" top: "a" dummy_data_param { shape { dim: 2 } } }\n'


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("train", ["--solver", ""]),
        ("train", ["--solver", "s.prototxt", "--output-dir", ""]),
        ("train", ["--solver", "s.prototxt", "--log-csv", ""]),
        ("train", ["--solver", "s.prototxt", "--snapshot", ""]),
        ("train", ["--solver", "s.prototxt", "--weights", ""]),
        ("train", ["--solver", "s.prototxt", "--weights", "a.caffemodel,"]),
        ("test", ["net.prototxt", "--weights", ""]),
        ("test", ["", "--weights", "a.caffemodel"]),
        ("time", ["--model", ""]),
        ("summary", [""]),
        ("check", [""]),
        ("draw", ["net.prototxt", ""]),
        ("features", ["net.prototxt", "--weights", "a.caffemodel", "--blobs", "a", ""]),
        ("upgrade", ["net.prototxt", ""]),
        ("mean", ["", "mean.binaryproto"]),
        ("mean", ["lmdb", ""]),
        ("plot", ["log.csv", ""]),
        ("mnist", ["--output", ""]),
        ("example", ["lenet", ""]),
        ("convert-images", ["images", ""]),
        ("convert-annotated", ["images", "list.txt", ""]),
        ("modernize", [""]),
        ("run", [""]),
        ("install-caffe", [""]),
    ],
)
def test_an_empty_name(capsys, tmp_path, monkeypatch, verb, arguments):
    """An unset variable of the shell, as in --weights "$WEIGHTS", is neither the working folder nor nothing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments, verb=verb)
    assert ended.value.code == 2
    assert "must not be empty" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "message"),
    [(".", ".: is a folder; give the name of a file"), ("none/x", "none/x: there is no folder {}/none")],
)
@pytest.mark.parametrize("verb", ["upgrade", "features", "mean"])
def test_an_output_that_cannot_be_written(capsys, tmp_path, monkeypatch, verb, output, message):
    pytest.importorskip("torch" if verb == "mean" else "numpy")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    given = {
        "upgrade": ["net.prototxt"],
        "mean": ["lmdb"],
        "features": ["net.prototxt", "--weights", "w", "--blobs", "a", "--format", "npz"],
    }
    assert main([*given[verb], output], verb=verb) == 1
    assert capsys.readouterr().err.endswith(f"{message.format(tmp_path)}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["net.prototxt"]

"""``caffe-pylayers test``, ``time``, ``summary`` and ``draw``, on the engine that is there."""

import json
import re
import shutil

import pytest

from caffe_pylayers import _engine
from caffe_pylayers.cli import main

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
        shape { dim: 2 dim: 3 dim: 6 dim: 6 } shape { dim: 2 }
        data_filler { type: "constant" value: 0.5 } data_filler { type: "constant" } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 group: 1 weight_filler { type: "constant" value: 0.1 } } }
layer { name: "up" type: "Deconvolution" bottom: "conv" top: "up"
        convolution_param { num_output: 4 kernel_size: 2 group: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 5 } }
layer { name: "quiet" type: "Silence" bottom: "up" }
layer { name: "mean" type: "Reduction" bottom: "conv" top: "mean" reduction_param { operation: MEAN } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" loss_weight: 2
        include { stage: "with_loss" } }
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return str(path)


@pytest.fixture
def weights(model, tmp_path):
    caffe = _engine.caffe()
    caffe.Net(model, caffe.TEST).save(str(tmp_path / "net.caffemodel"))
    return str(tmp_path / "net.caffemodel")


def run(capsys, verb, *arguments):
    assert main(list(map(str, arguments)), verb=verb) == 0
    return capsys.readouterr().out


def test_means_of_the_outputs(capsys, model, weights):
    arguments = ("-model", model, f"--weights={weights}", "--iterations", 2, "--stage", "with_loss")
    assert run(capsys, "test", *arguments).splitlines() == [
        *[f"Batch {i}, {line}" for i in range(2) for line in ("loss = 1.60944", "mean = 1.35")],
        "Loss: 3.21888",
        "loss = 1.60944 (* 2 = 3.21888 loss)",
        "mean = 1.35",
    ]
    assert run(capsys, "test", *arguments, "--quiet").count("Batch") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"--weights": "none"}, "none: no such file"),
        ({"--model": "none"}, "none: no such file"),
    ],
)
def test_mistakes_are_one_line(capsys, model, weights, arguments, message):
    given = {"--model": model, "--weights": weights, **arguments}
    assert main([word for pair in given.items() for word in pair], verb="test") == 1
    assert capsys.readouterr().err.endswith(f": {message}\n")


def test_iterations_are_positive(capsys, model):
    with pytest.raises(SystemExit):
        main(["--model", model, "--iterations", "0"], verb="time")
    assert "must be at least 1, got 0" in capsys.readouterr().err


def test_a_line_for_each_layer(capsys, model):
    out = run(capsys, "time", "--model", model, "--iterations", 2)
    assert re.search(r"^conv +Convolution +\d+\.\d{4} +\d+\.\d{4}$", out, re.MULTILINE)
    assert re.search(r"^Average Forward-Backward: \d+\.\d{4} ms\.$", out, re.MULTILINE)


def test_counts(capsys, model):
    rows = {row["name"]: row for row in json.loads(run(capsys, "summary", "--model", model, "--json"))}
    assert rows["conv"]["tops"] == {"conv": [2, 4, 4, 4]}
    counts = {name: (row["learned"], row["multiply_adds"]) for name, row in rows.items() if row["learned"]}
    assert counts == {
        "conv": (4 * 3 * 9 + 4, 2 * 4 * 16 * 3 * 9),
        "up": (4 * 2 * 4 + 4, 2 * 4 * 16 * 2 * 4),
        "ip": (5 * 64 + 5, 2 * 5 * 64),
    }
    table = run(capsys, "summary", "--model", model).splitlines()
    assert table[2].split() == [
        "conv",
        "Convolution",
        "data",
        "conv",
        "2",
        "x",
        "4",
        "x",
        "4",
        "x",
        "4",
        "112",
        "3,456",
    ]
    assert " ".join(table[-1].split()) == "7 layers 473 5,120"


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_picture(capsys, model, tmp_path):
    pytest.importorskip("pydot")
    picture = tmp_path / "net.svg"
    assert run(capsys, "draw", model, picture, "--phase", "test") == f"{picture}\n"
    assert "(Convolution)" in picture.read_text()
    assert main([str(tmp_path / "none"), str(picture)], verb="draw") == 1
    assert capsys.readouterr().err.endswith("none: no such file\n")

"""``caffe-pylayers test``, ``time``, ``summary`` and ``draw``, on the engine that is there."""

import html
import importlib.util
import json
import re
import shutil
import sys

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
LAYER = """
import caffe

class Failing(caffe.Layer):
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(1)
    def forward(self, bottom, top):
        raise ZeroDivisionError("no luck")
    def backward(self, top, propagate_down, bottom):
        pass
"""
FAILING = """
layer { name: "f" type: "Python" top: "f" python_param { module: "failing_layer" layer: "Failing" } }
"""
OLD = """
input: "x" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4 layers { name: "r" type: RELU bottom: "x" top: "y" }
"""
SHARED = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } inner_product_param { num_output: 3 } }
layer { name: "c" type: "InnerProduct" bottom: "b" top: "c" param { name: "w" } inner_product_param { num_output: 3 } }
"""
LEARNED = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
layer { name: "b" type: "Python" bottom: "a" top: "b"
        python_param { module: "caffe_pylayers.normalization" layer: "LayerNorm" } }
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
        ({"--weights": "none"}, "weights none: No such file or directory"),
        ({"--model": "none"}, "none: No such file or directory"),
    ],
)
def test_mistakes_are_one_line(capsys, model, weights, arguments, message):
    given = {"--model": model, "--weights": weights, **arguments}
    assert main([word for pair in given.items() for word in pair], verb="test") == 1
    assert capsys.readouterr().err.endswith(f": {message}\n")


def test_the_lines_of_caffe_test(capsys, tool, model, weights):
    arguments = ("-model", model, "-weights", weights, "-iterations", 3, "-stage", "with_loss")
    log = tool("caffe", "test", *arguments)
    lines = [line.partition("] ")[2] for line in log.splitlines() if " caffe.cpp:" in line]
    mine = run(capsys, "test", *arguments).splitlines()
    assert mine[0].startswith("Batch 0, ")
    assert mine == lines[-len(mine) :]


def test_what_a_layer_raises(capsys, tmp_path, monkeypatch):
    (tmp_path / "failing_layer.py").write_text(LAYER)
    monkeypatch.syspath_prepend(str(tmp_path))
    net = tmp_path / "net.prototxt"
    net.write_text(FAILING)
    assert main(["--model", str(net)], verb="time") == 1
    err = capsys.readouterr().err
    assert 'failing_layer.py", line 11, in forward' in err
    assert err.splitlines()[-1].endswith(": ZeroDivisionError: no luck")


def test_iterations_are_positive(capsys, model):
    with pytest.raises(SystemExit):
        main(["--model", model, "--iterations", "0"], verb="time")
    assert "must be at least 1, got 0" in capsys.readouterr().err


def test_several_gpus_are_refused(capsys, model):
    with pytest.raises(SystemExit):
        main(["-model", model, "-gpu", "0,1"], verb="time")
    assert "one GPU, by its number; several do not work together here, got 0,1" in capsys.readouterr().err


def test_nets_in_an_old_format(capsys, tmp_path):
    (tmp_path / "old.prototxt").write_text(OLD)
    assert "1 x 2 x 3 x 4" in run(capsys, "summary", "-model", tmp_path / "old.prototxt")


def test_the_engine_that_is_asked_for(capsys, model, monkeypatch):
    engine = "runtime" if _engine.caffe().__name__ == "caffe_pylayers.pycaffe" else "caffe"
    monkeypatch.setenv(_engine.VARIABLE, "none of them")
    assert "learned" in run(capsys, "summary", "--model", model, "--engine", engine)
    assert main(["--model", model], verb="summary") == 1
    assert "CAFFE_PYLAYERS_ENGINE must be one of caffe, runtime, got 'none of them'" in capsys.readouterr().err


def test_a_line_for_each_layer(capsys, model):
    out = run(capsys, "time", "--model", model, "--iterations", 2)
    assert re.search(r"^conv +Convolution +\d+\.\d{4} +\d+\.\d{4}$", out, re.MULTILINE)
    whole = re.search(r"^Average Forward-Backward: (\d+\.\d{4}) ms\.$", out, re.MULTILINE)
    assert float(whole[1]) > 0


def test_counts(capsys, model):
    rows = {row["name"]: row for row in json.loads(run(capsys, "summary", "--model", model, "--json"))}
    assert rows["conv"]["bottoms"] == {"data": [2, 3, 6, 6]}
    assert rows["conv"]["tops"] == {"conv": [2, 4, 4, 4]}
    counts = {name: (row["learned"], row["multiply_adds"]) for name, row in rows.items() if row["learned"]}
    assert counts == {
        "conv": (4 * 3 * 9 + 4, 2 * 4 * 16 * 3 * 9),
        "up": (4 * 2 * 4 + 4, 2 * 4 * 16 * 2 * 4),
        "ip": (5 * 64 + 5, 2 * 5 * 64),
    }
    table = run(capsys, "summary", "--model", model).splitlines()
    assert " ".join(table[2].split()) == "conv Convolution data conv 2 x 4 x 4 x 4 112 3,456"
    assert " ".join(table[-1].split()) == "7 layers 473 5,120"


def test_values_are_not_made_on_the_runtime(capsys, tmp_path):
    if _engine.caffe().__name__ != "caffe_pylayers.pycaffe":
        pytest.skip("real Caffe fills what it builds")
    net = tmp_path / "net.prototxt"
    net.write_text(SHARED.partition('layer { name: "c"')[0].replace("num_output: 3", "num_output: 699999999"))
    table = run(capsys, "summary", net).splitlines()
    assert " ".join(table[-1].split()) == "2 layers 2,799,999,996 4,199,999,994"
    net.write_text(SHARED.replace("num_output: 3", "num_output: 799999999"))
    assert main(["summary", str(net)]) == 1
    assert capsys.readouterr().err.startswith('caffe-pylayers summary: layer "b" (InnerProduct): ')


def test_shared_values_count_once(capsys, tmp_path):
    (tmp_path / "net.prototxt").write_text(SHARED)
    table = run(capsys, "summary", "--model", tmp_path / "net.prototxt").splitlines()
    assert [" ".join(line.split()) for line in table[2:]] == [
        "b InnerProduct a b 2 x 3 12 18",
        "c InnerProduct b c 2 x 3 12 18",
        "3 layers 15 36",
    ]


def test_summary_with_weights_of_a_layer_on_tensors(capsys, tmp_path):
    net, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net.write_text(LEARNED)
    caffe = _engine.caffe()
    caffe.Net(str(net), caffe.TEST).save(str(weights))
    out = run(capsys, "summary", net, "--weights", weights)
    assert out == run(capsys, "summary", net)
    assert " ".join(out.splitlines()[2].split()) == "b Python a b 2 x 3 x 4 x 4 96"


def test_what_graphviz_reads(capsys, model, tmp_path):
    pytest.importorskip("pydot")
    graph = tmp_path / "net.gv"
    assert run(capsys, "draw", model, graph) == f"{graph}\n"
    assert ">Convolution<" in graph.read_text()
    train = 'include { phase: TRAIN } python_param { module: "a.<b>"'
    (tmp_path / "python.prototxt").write_text(FAILING.replace('python_param { module: "failing_layer"', train))
    run(capsys, "draw", tmp_path / "python.prototxt", graph, "--rankdir", "LR", "--phase", "all")
    for part in ('fillcolor="#FFD43B"', "Python a.&lt;b&gt;.Failing", ">phase: TRAIN<", "rankdir=LR"):
        assert part in graph.read_text()
    run(capsys, "draw", tmp_path / "python.prototxt", graph, "--phase", "test")
    assert "Failing" not in graph.read_text()
    assert main([str(tmp_path / "none"), str(graph)], verb="draw") == 1
    assert capsys.readouterr().err.endswith("none: No such file or directory\n")


def test_an_old_net_is_drawn_upgraded(capsys, tmp_path):
    pytest.importorskip("pydot")
    (tmp_path / "old.prototxt").write_text(OLD)
    arguments = [str(tmp_path / "old.prototxt"), str(tmp_path / "old.gv")]
    if importlib.util.find_spec("torch"):
        run(capsys, "draw", *arguments)
        assert ">ReLU<" in (tmp_path / "old.gv").read_text()
    else:
        assert main(arguments, verb="draw") == 1
        assert "or take what Caffe's upgrade_net_proto_text makes of it" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_picture(capsys, model, tmp_path):
    pytest.importorskip("pydot")
    picture = tmp_path / "net.svg"
    assert run(capsys, "draw", model, picture, "--phase", "test") == f"{picture}\n"
    assert ">Convolution<" in picture.read_text()
    assert main([model, str(tmp_path / "net.xyz")], verb="draw") == 1
    ended = capsys.readouterr()
    assert ended.err.endswith(": Graphviz does not write pictures of the kind xyz; take png, svg or pdf\n")
    assert (ended.err.count("\n"), ended.out) == (1, "")
    assert main([model, str(tmp_path / "net")], verb="draw") == 1
    assert "net: the ending of the name says what picture it is: .png, .svg" in capsys.readouterr().err


def test_names_with_control_characters(capsys, tmp_path):
    pytest.importorskip("pydot")
    net = tmp_path / "net.prototxt"
    net.write_text(r'layer { name: "a\001<b>\n" type: "ReLU\002" bottom: "x\003" top: "y\000" }')
    picture = tmp_path / ("net.svg" if shutil.which("dot") else "net.gv")
    run(capsys, "draw", net, picture)
    text = html.unescape(html.unescape(picture.read_text()))
    assert not re.search(r"[\0-\x08]", text)
    for name in (r"a\x01<b>\n", r"ReLU\x02", r"x\x03", r"y\x00"):
        assert name in text.replace(r"\\", "\\")


def test_draw_and_mnist_need_no_engine(run_program, root, tmp_path, model):
    pytest.importorskip("pydot")
    pytest.importorskip("lmdb")
    hide = "import sys; sys.modules['torch'] = None; sys.modules.pop('caffe', None)\n"
    hide += "sys.path[:] = [p for p in sys.path if not os.path.isdir(os.path.join(p, 'caffe'))]\n"
    for arguments, verb in ([model, "net.gv"], "draw"), (["--output", "mnist"], "mnist"):
        code = f"import os\n{hide}from caffe_pylayers.cli import main; sys.exit(main({arguments!r}, {verb!r}))"
        done = run_program(sys.executable, "-c", code, cwd=tmp_path)
        assert done.returncode == 0, done.stdout


def test_a_net_by_position_or_by_name(capsys, model, weights, tmp_path):
    stage = ("--stage", "with_loss")
    by_name = run(capsys, "summary", "--model", model, *stage)
    assert run(capsys, "summary", model, *stage) == by_name
    assert run(capsys, "summary", *stage, model) == by_name
    assert run(capsys, "test", "--weights", weights, model, "--iterations", 1)
    assert run(capsys, "check", model) == run(capsys, "check", "-model", model)
    pytest.importorskip("pydot")
    for arguments in ((model, "net.gv"), ("--model", model, "net.gv"), ("net.gv", "--model", model)):
        run(capsys, "draw", *[tmp_path / word if word == "net.gv" else word for word in arguments])
    with pytest.raises(SystemExit):
        main(["--model", model, model], verb="summary")
    assert f"NET.prototxt is given twice: {model} and {model}" in capsys.readouterr().err
    assert main([], verb="summary") == 1
    assert "which net? give NET.prototxt, or --model NET.prototxt" in capsys.readouterr().err
    assert main(["net.gv"], verb="draw") == 1
    assert "takes a net and a picture, got net.gv alone" in capsys.readouterr().err


def test_a_net_without_data_is_not_tested(capsys, tmp_path):
    net, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    net.write_text(SHARED)
    caffe = _engine.caffe()
    caffe.Net(str(net), caffe.TEST).save(str(weights))
    assert main([str(net), "--weights", str(weights)], verb="test") == 1
    ended = capsys.readouterr()
    assert f"{net}: no data for a: Input layers are filled by a script" in ended.err
    assert ended.out == ""
    assert main([str(net), "--weights", str(weights), "--blobs", "b", str(tmp_path / "b.npz")], verb="features") == 1
    assert "no data for a" in capsys.readouterr().err
    assert main([str(net), "--iterations", "1"], verb="time") == 0

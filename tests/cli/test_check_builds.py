"""``caffe-pylayers check NET`` finds what building the net would find, on the engine that is there."""

import re
import sys

import pytest

from caffe_pylayers import _engine
from caffe_pylayers.cli import main

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 5 dim: 5 } } }\n'
CONV = 'layer { name: "%s" type: "Convolution" bottom: "%s" top: "%s" convolution_param { num_output: 2 %s } }\n'
IP = 'layer { name: "ip" type: "InnerProduct" bottom: "y" top: "z" inner_product_param { num_output: 2 } }\n'
PYTHON = 'layer { name: "p" type: "Python" bottom: "x" top: "y" python_param { module: "%s" layer: "%s" } }\n'
LAYERS = """
import caffe, numpy as np

class Late(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): pass
    def forward(self, bottom, top): top[0].reshape(1)
    def backward(self, top, propagate_down, bottom): pass

class Never(Late):
    def forward(self, bottom, top): pass

class Init(Late):
    def __init__(self, param): raise ZeroDivisionError("no luck")

class Setup(Late):
    def setup(self, bottom, top): raise ValueError("wants two bottoms")

class Exits(Late):
    def reshape(self, bottom, top): raise SystemExit("bye")

class InALibrary(Late):
    def setup(self, bottom, top): np.rot90(np.ones(3), axes=(0, 0))

class Good(Late):
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].data.shape)
"""


@pytest.fixture
def layers(tmp_path, monkeypatch):
    """The name of a module with the layers above."""
    path = tmp_path / "layers_to_build.py"
    path.write_text(LAYERS)
    monkeypatch.syspath_prepend(tmp_path)
    yield path.stem
    sys.modules.pop(path.stem, None)


@pytest.fixture
def check(tmp_path, capsys):
    """check(text): the exit code, and the lines of problems, warnings and layers that were not tried."""

    def run(text, *arguments):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        code = main([str(path), "--phase", "TEST", *arguments], verb="check")
        lines = capsys.readouterr().out.splitlines()
        return code, [line for line in lines if line.startswith(("problem", "warning", "  not tried"))]

    return run


def test_every_refused_layer_is_told(check):
    text = INPUT + CONV % ("a", "x", "a", "kernel_size: 9") + CONV % ("b", "a", "b", "kernel_size: 1")
    text += 'layer { name: "r" type: "ReLU" bottom: "b" top: "b" }\n'
    text += CONV % (
        "c",
        "x",
        "c",
        "kernel_size: 2 group: 2",
    )
    code, lines = check(text + CONV % ("d", "x", "d", "kernel_size: 2"))
    assert code == 1
    assert [line.partition("): ")[2].partition("): ")[0] + ")" for line in lines[:2]] == [
        'layer "a" (Convolution)',
        'layer "c" (Convolution)',
    ]
    assert "-3" in lines[0]
    assert lines[2:] == ["  not tried (TEST), as they depend on layers named above: b, r"]


def test_each_phase_is_built(tmp_path, capsys):
    path = tmp_path / "net.prototxt"
    include = " } include { phase: TRAIN } }"
    path.write_text(INPUT + CONV.replace(" } }", include) % ("a", "x", "a", "kernel_size: 9"))
    assert main([str(path)], verb="check") == 1
    assert re.findall(r"^problem (.*?):", capsys.readouterr().out, re.MULTILINE) == ["(TRAIN)"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("Init", "ZeroDivisionError: no luck (FILE:14)"),
        ("Setup", "ValueError: wants two bottoms (FILE:17)"),
        ("Exits", "SystemExit: bye (FILE:20)"),
        ("InALibrary", "ValueError: Axes must be different. (FILE:23)"),
    ],
)
def test_what_a_python_layer_raises(check, layers, tmp_path, layer, message):
    code, lines = check(INPUT + PYTHON % (layers, layer) + IP)
    assert code == 1
    message = message.replace("FILE", str(tmp_path / "layers_to_build.py"))
    assert lines == [
        f'problem (TEST): layer "p" (Python): {message}',
        "  not tried (TEST), as they depend on layers named above: ip",
    ]


def test_a_top_without_a_shape(check, layers):
    message = 'layer "p" (Python): neither its setup nor its reshape gives its top "y" a shape'
    cure = ": call top[0].reshape(...) in reshape"
    assert check(INPUT + PYTHON % (layers, "Never")) == (1, [f"problem (TEST): {message}{cure}"])
    needed = f"problem (TEST): {message}, which ip needs{cure}"
    assert check(INPUT + PYTHON % (layers, "Never") + IP) == (1, [needed])
    assert check(INPUT + PYTHON % (layers, "Late") + IP) == (1, [needed])
    code, lines = check(INPUT + PYTHON % (layers, "Late"))
    assert code == 0
    assert lines == [f"warning (TEST): {message}; a later one in forward is too late for what is set up before"]
    assert check(INPUT + PYTHON % (layers, "Good") + IP) == (0, [])


def test_what_is_known_is_not_tried(check):
    text = 'layer { name: "d" type: "ImageData" top: "x" top: "l" image_data_param { source: "gone" } }\n'
    code, lines = check(text + CONV % ("a", "x", "a", "kernel_size: 9") + PYTHON % ("nowhere", "A"))
    assert code == 1
    assert [line.partition(" (TEST)")[0] for line in lines] == ["problem", "warning", "  not tried"]
    assert lines[2].endswith(": a")


def test_batches_of_nothing(check):
    text = 'layer { name: "m" type: "MemoryData" top: "m" top: "l" memory_data_param {'
    code, lines = check(text + " batch_size: 0 channels: 1 height: 1 width: 1 } }")
    assert code == 1
    assert 'layer "m" (MemoryData): ' in lines[0]


def test_a_file_without_layers(check):
    assert check("") == (1, ["problem: no net: it has no layers"])
    assert check('name: "a"') == (1, ["problem: no net: it has no layers"])


def test_an_output_file_stays(check, tmp_path):
    file = tmp_path / "out.h5"
    file.write_text("precious")
    text = (
        INPUT + 'layer { name: "o" type: "HDF5Output" bottom: "x" bottom: "x" hdf5_output_param { file_name: "%s" } }'
    )
    assert check(text % file) == (0, [])
    assert file.read_text() == "precious"


def test_levels_and_stages_reach_the_trial(check):
    text = INPUT + CONV.replace(" } }", ' } include { min_level: 2 stage: "s" } }') % ("a", "x", "a", "kernel_size: 9")
    assert check(text) == (0, [])
    assert check(text, "--level", "2", "--stage", "s")[0] == 1


def test_large_blobs_need_no_memory_on_the_runtime(check):
    if _engine.caffe().__name__ != "caffe_pylayers.pycaffe":
        pytest.skip("real Caffe fills what it builds")
    assert check(INPUT.replace('"x"', '"y"') + IP.replace("num_output: 2", "num_output: 20000000")) == (0, [])


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("test", ["--weights", "x.caffemodel"]),
        ("time", []),
        ("summary", []),
        ("features", ["--weights", "x.caffemodel", "--blobs", "z", "x.npz"]),
    ],
)
def test_no_verb_ends_with_caffes_own_stack(run_program, root, tmp_path, verb, arguments):
    (tmp_path / "net.prototxt").write_text(INPUT + CONV % ("c", "x", "y", "kernel_size: 9") + IP)
    model = _engine.messages().NetParameter()
    model.layer.add(name="another")
    (tmp_path / "x.caffemodel").write_bytes(model.SerializeToString())
    command = [sys.executable, "-m", "caffe_pylayers", verb, "net.prototxt", *arguments]
    ended = run_program(*command, cwd=tmp_path, pythonpath=(root,))
    assert ended.returncode == 1
    assert len(ended.stdout.splitlines()) == 1
    assert 'layer "c" (Convolution): ' in ended.stdout


def test_training_neither(run_program, root, tmp_path):
    (tmp_path / "net.prototxt").write_text(INPUT + CONV % ("c", "x", "y", "kernel_size: 9") + IP)
    (tmp_path / "s.prototxt").write_text('net: "net.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1')
    command = [sys.executable, "-m", "caffe_pylayers", "train", "--solver", "s.prototxt"]
    ended = run_program(*command, cwd=tmp_path, pythonpath=(root,))
    assert ended.returncode == 1
    assert 'layer "c" (Convolution): ' in ended.stdout.splitlines()[-1]
    assert "stack trace" not in ended.stdout


def test_every_fault_of_the_wiring_is_told(check):
    weights = IP.replace("}\n", "loss_weight: 1 loss_weight: 2 }\n").replace('"z"', '"w"').replace('"ip"', '"two"')
    rates = "kernel_size: 3 } param { } param { } param { lr_mult: 1"
    code, lines = check(
        INPUT.replace('"x"', '"data"')
        + CONV % ("typo", "dta", "a", "kernel_size: 3")
        + CONV % ("taken", "data", "a", "kernel_size: 3")
        + CONV % ("rates", "data", "r", rates)
        + CONV % ("wide", "data", "y", "kernel_size: 9")
        + weights
    )
    assert code == 1
    assert lines == [
        'problem (TEST): layer "typo" (Convolution): no layer before it makes its bottom "dta"; did you mean "data"?',
        'problem (TEST): layer "taken" (Convolution): its top "a" is an earlier layer\'s; '
        'to work in place it must be the only layer that reads "a"',
        'problem (TEST): layer "two" (InnerProduct): 2 loss_weight for 1 tops',
        'problem (TEST): layer "rates" (Convolution): 3 param blocks for 2 learned blobs',
        lines[4],  # what the engine says of the window
    ]
    assert lines[4].startswith('problem (TEST): layer "wide" (Convolution): ')

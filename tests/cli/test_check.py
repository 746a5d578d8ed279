"""``caffe-pylayers check NET``."""

import sys

import pytest

from caffe_pylayers import _engine
from caffe_pylayers.cli import main

LENET = "prototxt/lenet/train_test.prototxt"

INPUTS = 'input: "x" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 2 '


def check(capsys, *args):
    """The exit code, and what was printed."""
    code = main([str(arg) for arg in args], verb="check")
    return code, capsys.readouterr().out


def test_lenet(root, digits, monkeypatch, capsys):
    monkeypatch.chdir(digits)
    code, out = check(capsys, root / LENET)
    assert code == 0
    learns = "InnerProduct ip2 learns (lr_mult 1, 2)"
    plan = f"""
  one_hot (caffe_pylayers.one_hot.label2one_hot)
    backward is called: ip2 <- {learns}
    propagate_down[0] label False: nothing before it learns
    propagate_down[1] ip2   True: ip2 <- {learns}
  loss (caffe_pylayers.pyloss.EuclideanLossLayer)
    backward is called: ip2 <- {learns}
    propagate_down[0] ip2           True: ip2 <- {learns}
    propagate_down[1] one_hot_label True: one_hot_label <- one_hot <- ip2 <- {learns}
"""
    train = f"\nTRAIN: 10 layers; a backward pass calls 9 of them{plan}"
    test = f"\nTEST: 11 layers; a backward pass calls 9 of them{plan}"
    assert out == f"{root / LENET}: LeNet\n{train}{test}\n0 problems, 0 warnings\n"


def test_every_layer_of_one_phase(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    code, out = check(capsys, LENET, "--all", "--phase", "TRAIN")
    assert code == 0
    assert "  mnist (Data)\n    backward is not called: nothing in it or before it learns\n" in out
    assert "  relu1 (ReLU)\n    backward is called: ip1 <- InnerProduct ip1 learns (lr_mult 1, 2)\n" in out
    assert "TEST" not in out
    assert "_split" not in out


def test_the_program(root, run_program, tmp_path):
    net = root / LENET
    done = run_program(sys.executable, "-m", "caffe_pylayers", "check", net, cwd=tmp_path, GLOG_minloglevel="2")
    assert done.returncode == 0
    missing = '"data/mnist/train_lmdb" does not exist; Caffe looks for it from the working directory'
    warning = f'warning (TRAIN): layer "mnist" (Data): data_param.source {missing}, {tmp_path}\nwarning (TEST): '
    assert done.stdout.startswith(f"{net}: LeNet\n{warning}")
    assert done.stdout.endswith("\n0 problems, 2 warnings\n")


@pytest.fixture
def write(tmp_path):
    """write(text): a prototxt with that text."""

    def to_file(text):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return path

    return to_file


INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
IP = 'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }\n'
LAST = 'layer { name: "last" type: "Python" bottom: "y" top: "z" python_param { %s } %s }\n'
CODE = 'module: "caffe_pylayers.one_hot" layer: "label2one_hot" param_str: "num_classes: 9"'


def test_all_problems_are_told(write, capsys):
    bad = 'layer { name: "%s" type: "Python" top: "%s" python_param { module: "%s" layer: "%s" } }\n'
    path = write(INPUT + bad % ("a", "a", "nowhere", "A") + bad % ("b", "b", "caffe_pylayers.pyloss", "B"))
    code, out = check(capsys, path)
    assert code == 1
    assert "problem (TRAIN, TEST): layer \"a\" (Python): no module named 'nowhere'" in out
    assert 'problem (TRAIN, TEST): layer "b" (Python): caffe_pylayers.pyloss (' in out
    assert out.endswith("\n2 problems, 0 warnings\n")


def test_wrong_wiring_has_no_plan(write, capsys):
    path = write(INPUT + IP.replace('"x"', '"X"'))
    code, out = check(capsys, path)
    assert code == 1
    assert 'problem (TRAIN, TEST): layer "ip" (InnerProduct): no layer before it makes its bottom "X"\n' in out
    assert "backward pass" not in out


def test_an_unknown_type_has_no_plan(write, capsys):
    path = write(INPUT + IP.replace("InnerProduct", "InnerProdct") + LAST % (CODE, ""))
    code, out = check(capsys, path)
    assert code == 1
    assert 'problem (TRAIN, TEST): layer "ip" (InnerProdct): unknown layer type; did you mean InnerProduct' in out
    assert "backward pass" not in out
    assert out.endswith("1 problem, 0 warnings\n")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            INPUT + IP + LAST % (CODE, ""),
            'no loss_weight and no layer reads its top "z"; a Python layer is a loss only',
        ),
        (
            INPUT.replace('"x"', '"y"') + LAST % (CODE, "loss_weight: 1"),
            "a loss that trains nothing: nothing in it or before it learns",
        ),
        (
            INPUT.replace("x", "x: t").replace('"x: t"', '"x" top: "t"').replace("} } }", "} shape { dim: 2 } } }")
            + IP
            + 'layer { name: "last" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" top: "l" }\n'
            + 'layer { name: "silence" type: "Silence" bottom: "l" }',
            'a loss that trains nothing: the top "l" of last is read by a layer that no loss depends on',
        ),
    ],
)
def test_a_loss_that_trains_nothing(write, capsys, text, warning):
    code, out = check(capsys, write(text))
    assert code == 0
    assert 'warning (TRAIN): layer "last"' in out
    assert warning in out
    assert out.endswith("\n0 problems, 1 warning\n")


@pytest.mark.parametrize(
    "text",
    [
        INPUT + IP + LAST % (CODE, "loss_weight: 0"),
        INPUT + IP + LAST % (CODE, "include { phase: TEST }"),
        INPUT + IP + LAST % (CODE, "") + 'layer { name: "silence" type: "Silence" bottom: "z" }',
    ],
    ids=["metric", "in testing", "read"],
)
def test_no_loss_is_meant(write, capsys, text):
    code, out = check(capsys, write(text))
    assert code == 0
    assert out.endswith("\n0 problems, 0 warnings\n")


def test_a_stage_that_is_needed(write, capsys):
    path = write(INPUT.replace("} } }", "} } include { stage: 's' } }") + IP)
    assert "\n  the net has layers for stages not given with --stage: s\n" in check(capsys, path)[1]
    assert "not given" not in check(capsys, path, "--stage", "s")[1]


def test_stage_and_level(write, capsys):
    path = write(INPUT + IP.replace("} }", '} include { stage: "s" stage: "t" min_level: 2 } }'))
    assert "TRAIN: 1 layers" in check(capsys, path)[1]
    assert "TRAIN: 1 layers" in check(capsys, path, "--stage", "s", "--stage", "t")[1]
    assert "TRAIN: 2 layers" in check(capsys, path, "--stage", "s", "--stage", "t", "--level", "2")[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("layer {\n  nam: 1\n}", ':2:3: Message type "caffe.LayerParameter" has no field named "nam".'),
        ('net: "n.prototxt"\nbase_lr: 1', "This is a solver, not a net; its net is n.prototxt\n"),
    ],
)
def test_no_net(write, capsys, text, problem):
    path = write(text)
    code, out = check(capsys, path)
    assert code == 1
    assert out.startswith(f"problem: {path}:")
    assert problem in out
    assert out.endswith("1 problem, 0 warnings\n")


@pytest.mark.parametrize(
    "old", ["layers { type: TANH name: 't' %s }", "layers { layer { type: 'tanh' name: 't' } %s }"]
)
def test_old_formats(write, capsys, old):
    code, out = check(capsys, write(INPUTS + old % "bottom: 'x' top: 'y'"))
    assert (code, "TRAIN: 2 layers" in out) == (0, True)
    code, out = check(capsys, write(INPUTS + old % "bottom: 'z' top: 'y'"))
    assert code == 1
    assert 'no layer before it makes its bottom "z"' in out


def test_no_file(tmp_path, capsys):
    assert main([str(tmp_path / "no.prototxt")], verb="check") == 1
    assert f"{tmp_path / 'no.prototxt'}: No such file or directory" in capsys.readouterr().err


def test_a_net_with_a_broken_caffe(write, monkeypatch, capsys):
    def caffe():
        raise ImportError("numpy.core.multiarray failed to import")

    monkeypatch.setattr(_engine, "caffe", caffe)
    assert main([str(write(""))], verb="check") == 1
    assert "import caffe: ImportError: numpy.core.multiarray failed to import; it is built against" in (
        capsys.readouterr().err
    )

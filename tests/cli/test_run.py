"""``caffe-pylayers run``."""

import importlib.util
import re
import sys

import pytest

from caffe_pylayers._compat.advice import WHAT_HELPS

ENGINE = "caffe" if importlib.util.find_spec("caffe") else "caffe_pylayers.pycaffe"

SCRIPT = """
import sys
import caffe
import helper
from caffe import layers as L
print(caffe.__name__, sys.argv[1:], __name__, helper.HERE)
raise SystemExit(int(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "helper.py").write_text("HERE = 'beside the script'\n")
    return tmp_path


def run(run_program, root, *arguments, cwd):
    return run_program(sys.executable, "-m", "caffe_pylayers", "run", *arguments, cwd=cwd, pythonpath=(root,))


@pytest.mark.parametrize("script", [["script.py"], ["-m", "script"]])
def test_the_engine_is_caffe(run_program, root, folder, script):
    ended = run(run_program, root, *script, "3", "--model", "-x", cwd=folder)
    assert ended.stdout == f"{ENGINE} ['3', '--model', '-x'] __main__ beside the script\n"
    assert ended.returncode == 3


@pytest.mark.caffe
def test_the_engine_that_is_asked_for(run_program, root, folder):
    ended = run(run_program, root, "--engine", "caffe", "script.py", "0", cwd=folder)
    assert ended.stdout.startswith("caffe ['0'] __main__")
    ended = run(run_program, root, "--engine", "runtime", "script.py", "0", cwd=folder)
    assert "the runtime needs Python 3.10" in ended.stdout


def test_the_engine_that_is_not_there(run_program, root, folder):
    if ENGINE == "caffe":
        pytest.skip("there is a real Caffe")
    ended = run(run_program, root, "--engine", "caffe", "script.py", "0", cwd=folder)
    assert ended.stdout.endswith("and none can be imported\n")
    assert ended.returncode == 1


def test_errors_are_the_scripts(run_program, root, folder):
    ended = run(run_program, root, "script.py", "no number", cwd=folder)
    assert 'script.py", line 7, in <module>' in ended.stdout
    assert ended.stdout.endswith("ValueError: invalid literal for int() with base 10: 'no number'\n")
    assert ended.returncode == 1
    ended = run(run_program, root, "none.py", cwd=folder)
    assert ended.stdout.endswith("none.py: no such file\n")


def test_a_script_for_the_gpu_on_the_cpu(run_program, root, tmp_path):
    (tmp_path / "gpu.py").write_text(
        "import os\nimport caffe\ncaffe.set_mode_gpu()\ncaffe.set_device(3)\nprint(os.environ['CAFFE_PYLAYERS_CPU'])\n"
    )
    ended = run(run_program, root, "--cpu", "gpu.py", cwd=tmp_path)
    assert ended.stdout.splitlines()[-1] == "1"
    assert ended.returncode == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("print 1\n", 1),
        ("x = 3\nfor i in xrange(x): pass\n", 2),
        ("import cPickle\n", 1),
        ("x = {}\nx.iteritems()\n", 2),
        ("import old_part\n", 1),
    ],
)
def test_python_2_without_compat(run_program, root, tmp_path, text, line):
    (tmp_path / "old.py").write_text(text)
    (tmp_path / "old_part.py").write_text("\n\nexec 'x = 1'\n")
    file, line = ("old_part.py", 3) if "old_part" in text else ("old.py", line)
    ended = run(run_program, root, "old.py", cwd=tmp_path)
    last = ended.stdout.splitlines()[-1]
    assert last.endswith(f"{file}:{line}: {WHAT_HELPS}")
    assert f'{file}", line {line}' in ended.stdout
    assert ended.returncode == 1


@pytest.mark.parametrize("text", ["x = = 1\n", "def f(:\n    pass\n", "if True:\npass\n", "x = (1,\n", "a b\n"])
def test_a_mistake_is_not_taken_for_python_2(run_program, root, tmp_path, text):
    (tmp_path / "new.py").write_text(text)
    ended = run(run_program, root, "new.py", cwd=tmp_path)
    assert "Error: " in ended.stdout.splitlines()[-1]
    assert "Python 2" not in ended.stdout


def test_what_is_no_fault_of_python_2(run_program, root, tmp_path):
    (tmp_path / "new.py").write_text("print(f'{1}')\nunknown\n")
    ended = run(run_program, root, "new.py", cwd=tmp_path)
    assert ended.stdout.splitlines()[-1] == "NameError: name 'unknown' is not defined"


PY2 = {
    "import": "import caffe\nprint 'old'\nclass Old(caffe.Layer): pass\n",
    "setup": "import caffe\nclass Old(caffe.Layer):\n    def setup(self, bottom, top):\n        xrange(3)\n"
    "    def reshape(self, bottom, top):\n        top[0].reshape(1)\n"
    "    def forward(self, bottom, top):\n        pass\n"
    "    def backward(self, top, propagate_down, bottom):\n        pass\n",
}
OLD_NET = (
    'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } } }\n'
    'layer { name: "o" type: "Python" bottom: "d" top: "o" loss_weight: 1\n'
    '  python_param { module: "old_layer" layer: "Old" } }\n'
)


VERBS = {
    "train": ["--solver", "s.prototxt", "--overwrite"],
    "time": ["net.prototxt", "--iterations", "1"],
    "check": ["net.prototxt"],
    "check-layer": ["old_layer.Old", "--bottom", "2"],
    "layers": ["old_layer.Old"],
}
# Each command in a process of its own, which has loaded the engine already.
COMMANDS = """
import os, sys
from caffe_pylayers import _engine
from caffe_pylayers.cli import main
_engine.caffe()
for verb, arguments in {commands!r}:
    child = os.fork()
    if not child:
        os.dup2(1, 2)
        code = main(arguments, verb=verb)
        sys.stdout.flush()
        os._exit(code)
    print("--- code", os.WEXITSTATUS(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.parametrize("kind", PY2)
def test_every_verb_names_compat(run_program, root, tmp_path, kind):
    (tmp_path / "old_layer.py").write_text(PY2[kind])
    (tmp_path / "net.prototxt").write_text(OLD_NET)
    (tmp_path / "s.prototxt").write_text('net: "net.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1 type: "SGD"')
    commands = list(VERBS.items())
    if kind == "setup" and importlib.util.find_spec("fissix"):
        commands += [(verb, [*arguments, "--compat"]) for verb, arguments in VERBS.items()]

    ended = run_program(
        sys.executable, "-c", COMMANDS.format(commands=commands), cwd=tmp_path, pythonpath=(root, tmp_path)
    )

    said = re.findall(r"(.*?)^--- code (\d+)\n", ended.stdout, re.MULTILINE | re.DOTALL)
    assert len(said) == len(commands), ended.stdout
    for (verb, arguments), (text, code) in zip(commands, said):
        if "--compat" in arguments:
            assert "NameError" not in text
            assert WHAT_HELPS not in text
        elif (verb, kind) != ("layers", "setup"):  # a page needs no setup
            assert WHAT_HELPS in text
            assert code == "1"

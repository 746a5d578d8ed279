"""``caffe-pylayers run``."""

import sys

import pytest

pytest.importorskip("torch")

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
def test_the_runtime_is_caffe(run_program, root, folder, script):
    ended = run(run_program, root, *script, "3", "--model", "-x", cwd=folder)
    assert ended.stdout == "caffe_pylayers.runtime ['3', '--model', '-x'] __main__ beside the script\n"
    assert ended.returncode == 3


def test_errors_are_the_scripts(run_program, root, folder):
    ended = run(run_program, root, "script.py", "no number", cwd=folder)
    assert 'script.py", line 7, in <module>' in ended.stdout
    assert ended.stdout.endswith("ValueError: invalid literal for int() with base 10: 'no number'\n")
    assert ended.returncode == 1
    ended = run(run_program, root, "none.py", cwd=folder)
    assert ended.stdout.endswith("none.py: no such file\n")

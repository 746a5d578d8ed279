"""The command line itself."""

import importlib
import os
import re
import signal
import subprocess
import sys

import pytest

from caffe_pylayers import __version__
from caffe_pylayers.cli import VERBS, main


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {verb}\s", text, re.MULTILINE) for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(capsys, verb):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert f"usage: caffe-pylayers {verb}" in capsys.readouterr().out


def test_help_says_what_each_verb_does(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = dict(re.findall(r"^    ([\w-]+) +(.+)$", capsys.readouterr().out, re.MULTILINE))
    for verb in VERBS:
        module = importlib.import_module(f"caffe_pylayers.cli.{verb.replace('-', '_')}")
        assert lines[verb] == module.__doc__.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trian", "--solver", "x"], "no verb 'trian'; did you mean train?"),
        (["convert_images"], "no verb 'convert_images'; did you mean convert-images?"),
        (["qqqqqq"], "no verb 'qqqqqq'; caffe-pylayers --help lists all"),
        (["train", "--slover", "x"], "no option --slover; did you mean --solver?"),
        (["summary", "net", "--stagee=a"], "no option --stagee; did you mean --stage?"),
        (["check", "net", "--qqqqqq"], "unrecognized arguments: --qqqqqq\n"),
    ],
)
def test_a_misspelt_word_gets_a_suggestion(capsys, arguments, hint):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert hint in capsys.readouterr().err


def test_a_verb_loads_no_other(root):
    code = "import sys\nfrom caffe_pylayers.cli import main\nassert main(['layers', 'label2one_hot']) == 0\n"
    code += "assert 'caffe_pylayers.cli.train' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=root, stdout=subprocess.DEVNULL, check=True)


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


def test_help_loads_neither_numpy_nor_an_engine(root):
    code = "import sys\nfrom caffe_pylayers.cli import main\ntry:\n main(['--help'])\nexcept SystemExit:\n pass\n"
    code += "assert not {'numpy', 'caffe', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=root, stdout=subprocess.DEVNULL, check=True)


def test_no_caffe_is_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "caffe", None)
    monkeypatch.setenv("CAFFE_PYLAYERS_ENGINE", "caffe")
    assert main(["summary", str(tmp_path / "net.prototxt")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "caffe-pylayers summary: a real Caffe is asked for (CAFFE_PYLAYERS_ENGINE or --engine), and none"
    )
    assert error.count("\n") == 1


def test_a_reader_that_has_left_is_no_traceback(root):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "caffe_pylayers", "layers", "label2one_hot"]
    run = subprocess.run(command, cwd=root, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (run.returncode, run.stderr) == (128 + signal.SIGPIPE, "")

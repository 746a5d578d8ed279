"""``import x`` of a file beside one, as Python 2 found it: in the package first, else on the path."""

import ast
import sys

import pytest

pytest.importorskip("fissix")

from caffe_pylayers._compat.age import is_python_2
from caffe_pylayers._compat.translate import translate

LAYER = "import config\nprint 'value', config.VALUE\n"
STATEMENTS = """\
import os, config as c, part.inner
from part.inner import WHERE
import part.inner as again
print c.VALUE, part.inner.WHERE, WHERE, again.WHERE, os.name != ''
"""


@pytest.fixture
def folder(tmp_path):
    """A folder that is a package, and whose files are imported from the path, too."""
    place = tmp_path / "place"
    (place / "part").mkdir(parents=True)
    for name, text in (
        ("__init__", ""),
        ("config", "VALUE = 5\n"),
        ("layer", LAYER),
        ("many", STATEMENTS),
        ("part/__init__", ""),
        ("part/inner", "WHERE = 'inner'\n"),
    ):
        (place / f"{name}.py").write_text(text)
    (tmp_path / "go.py").write_text("import sys\n__import__(sys.argv[1])\n")
    return place


def run(run_program, root, folder, module, *path, compat=True):
    options = ["--compat"] if compat else []
    return run_program(
        *(sys.executable, "-m", "caffe_pylayers", "run", *options, str(folder.parent / "go.py"), module),
        cwd=folder.parent,
        pythonpath=(root, *path),
    )


@pytest.mark.parametrize("name", ["layer", "many"])
@pytest.mark.parametrize("translated", ["--compat", "modernize"])
def test_a_folder_on_the_path_and_as_a_package(run_program, root, folder, name, translated):
    wanted = {"layer": "value 5", "many": "5 inner inner inner True"}[name]
    compat = translated == "--compat"
    if not compat:
        for file in folder.rglob("*.py"):
            file.write_text(translate(file.read_text(), str(file), for_good=True).text)
            assert translate(file.read_text(), str(file), for_good=True).text == file.read_text()
    for module, path in ((name, [folder]), (f"place.{name}", [])):
        ended = run(run_program, root, folder, module, *path, compat=compat)
        assert ended.stdout.splitlines()[-1] == wanted, ended.stdout


def test_a_script_in_a_package(run_program, root, folder):
    ended = run_program(
        *(sys.executable, "-m", "caffe_pylayers", "run", "--compat", "layer.py"), cwd=folder, pythonpath=(root,)
    )
    assert ended.stdout.splitlines()[-1] == "value 5"


def test_absolute_imports_stay(folder):
    path = folder / "layer.py"
    text = "from __future__ import absolute_import\nimport part\nprint(1)\n"
    assert translate(text, str(path), for_good=True).text == text


def test_the_text_of_an_import(folder):
    path = str(folder / "new.py")
    new = translate("def f():\r\n    import sys, config  # why\r\n    print config\r\n", path, for_good=True).text
    assert new == (
        "def f():\r\n    import sys\r\n    try:\r\n        from . import config\r\n"
        "    except ImportError:\r\n        import config  # why\r\n    print(config)\r\n"
    )
    ast.parse(new)
    assert not is_python_2(new, path)

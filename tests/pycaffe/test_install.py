"""The runtime under the name caffe. Each in a process of its own: the name is the process's."""

import os
import subprocess
import sys

import pytest

from caffe_pylayers._engine import install


@pytest.fixture
def python(root, tmp_path):
    def run(code, pythonpath=(), **env):
        path = os.pathsep.join(map(str, [*pythonpath, root]))
        env = {**os.environ, "PYTHONPATH": path, **env}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    return run


def test_import_caffe_is_the_runtime(python):
    code = "from caffe_pylayers import runtime\nruntime.install()\nimport caffe, caffe.proto.caffe_pb2 as p\n"
    code += "from caffe_pylayers import pycaffe\nfrom caffe_pylayers.runtime.proto import caffe_pb2\n"
    code += "print(caffe is pycaffe, p is caffe_pb2, runtime.Net is caffe.Net, runtime.install() is caffe)"
    assert python(code) == "True True True True\n"


def test_pycaffes_modules(python):
    code = "from caffe_pylayers import runtime\nruntime.install()\nimport sys, caffe\n"
    code += "import caffe.pycaffe, caffe.draw, caffe.coord_map\nfrom caffe._caffe import Blob, RawBlobVec, Solver\n"
    code += "print(caffe.pycaffe.Net is caffe.Net, caffe._caffe.Blob is Blob, issubclass(caffe.SGDSolver, Solver))\n"
    code += "print(caffe.classifier.Classifier is caffe.Classifier, caffe.io.caffe_pb2 is caffe.proto.caffe_pb2)\n"
    code += "print(sys.modules['caffe.io'] is sys.modules['caffe_pylayers.pycaffe.io'])"
    assert python(code) == "True True True\nTrue True\nTrue\n"


def test_every_module_of_the_face_is_pycaffes(root):
    """A file that install() does not name would be imported twice, as caffe.X and under its own name."""
    found = {path.stem for path in (root / "caffe_pylayers" / "pycaffe").iterdir()} - {"__init__", "__pycache__"}
    assert found == set(install.MODULES) - {"proto"}


@pytest.mark.parametrize("name", ["net", "memory", "data", "files", "layers.data", "solvers", "prefetch", "nothing"])
def test_the_engines_modules_are_not_caffes(python, name):
    code = f"from caffe_pylayers import runtime\nruntime.install()\nimport caffe.{name}"
    assert f"ModuleNotFoundError: No module named 'caffe.{name.partition('.')[0]}'" in python(code)


def test_importing_the_runtime_takes_no_name(python):
    assert python("import sys, caffe_pylayers.runtime; print('caffe' in sys.modules)") == "False\n"


def test_a_loaded_caffe_is_not_replaced(python, tmp_path):
    (tmp_path / "caffe.py").write_text("")
    code = "import caffe\nfrom caffe_pylayers import runtime\nruntime.install()"
    assert "RuntimeError: another caffe is loaded already" in python(code, [tmp_path])


def test_a_caffe_that_is_only_installed_is_passed_over(python, tmp_path):
    (tmp_path / "caffe.py").write_text("raise SystemExit('loaded')")
    code = "from caffe_pylayers import runtime\ncaffe = runtime.install()\nprint(caffe.__name__)"
    assert python(code, [tmp_path]) == "caffe_pylayers.pycaffe\n"


def test_the_variable_refuses(python):
    code = "from caffe_pylayers import runtime\nruntime.install()"
    assert "CAFFE_PYLAYERS_ENGINE=caffe asks for a real Caffe" in python(code, CAFFE_PYLAYERS_ENGINE="caffe")

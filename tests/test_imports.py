"""What importing the package loads, and what it does without an engine."""

import subprocess
import sys
from pathlib import Path

import pytest

import caffe_pylayers

ROOT = Path(caffe_pylayers.__file__).parent
MODULES = [f"caffe_pylayers.{path.stem}" for path in sorted(ROOT.glob("[!_]*.py"))]


def run(code):
    subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, check=True)


def test_the_package_loads_no_engine():
    run("import sys, caffe_pylayers, caffe_pylayers.cli; assert not {'caffe', 'torch', 'numpy'} & set(sys.modules)")


@pytest.mark.parametrize("module", MODULES)
def test_a_layer_module_loads_no_torch(module):
    run(f"import sys, {module}; assert 'torch' not in sys.modules")


@pytest.mark.parametrize("module", MODULES)
def test_a_layer_module_imports_without_caffe(module):
    hide = "import sys; sys.modules['caffe'] = None"
    run(f"{hide}\nimport {module} as m\nassert all(hasattr(m, name) for name in m.__all__)")


def test_a_broken_caffe_is_not_taken_for_none(tmp_path):
    (tmp_path / "caffe.py").write_text("import no_such_library")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\ntry:\n import caffe_pylayers.pyloss\n"
    run(
        code
        + "except ModuleNotFoundError as error:\n assert error.name == 'no_such_library'\nelse:\n raise SystemExit(1)"
    )


def test_a_module_that_is_not_pycaffe_is_named(tmp_path):
    (tmp_path / "caffe.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\ntry:\n import caffe_pylayers.pyloss\n"
    run(code + "except ImportError as error:\n assert 'is not pycaffe' in str(error)\nelse:\n raise SystemExit(1)")


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'Leyer'"):
        _ = caffe_pylayers.Leyer

"""``caffe-pylayers check`` without a net, with caffes of all kinds."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from caffe_pylayers.cli import main

GOOD = "__version__ = '1.0.0'\ndef layer_type_list(): return ['Data', 'Python']\ndef set_mode_gpu(): pass\n"
GPU = GOOD + "def set_device(n): pass\n"
NUMPY_SAYS = """

IMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!

Original error was: No module named 'numpy.core._multiarray_umath'

"""
NO_DEVICE = "Check failed: error == cudaSuccess (100 vs. 0)  no CUDA-capable device is detected"
DIES = "import os, sys\nprint('F1 00:00 1 x.cpp:1] {}', file=sys.stderr)\nsys.stderr.flush()\nos.abort()\n"


def dying(message):
    """A caffe whose set_device ends the process as glog does."""
    body = "".join(f"    {line}\n" for line in DIES.format(message).splitlines())
    return GOOD + "def set_device(n):\n" + body


@pytest.fixture
def fake_caffe(tmp_path, monkeypatch):
    """fake_caffe(source): put a package of that name before all others."""

    def make(source):
        package = tmp_path / "fake" / "caffe"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(source)
        monkeypatch.syspath_prepend(package.parent)
        return package / "__init__.py"

    return make


def check(capsys, *args):
    """The exit code, and what was printed."""
    code = main([str(arg) for arg in args], verb="check")
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "device"),
    [
        (GPU, "GPU build, GPU 0 usable"),
        (dying("Cannot use GPU in CPU-only Caffe: check mode."), "CPU-only build"),
        (dying(NO_DEVICE), f"GPU build, no usable GPU ({NO_DEVICE})"),
        (GOOD + "import os\ndef set_device(n): os.abort()\n", "GPU build, no usable GPU (SIGABRT)"),
    ],
)
def test_a_good_caffe(fake_caffe, capsys, source, device):
    path = fake_caffe(source)
    code, out = check(capsys)
    assert code == 0
    assert f"\ncaffe{' ' * 19}1.0.0  {path}\n" in out
    assert f"{device}, 2 layer types\n" in out
    assert "runs Python layers\n" in out
    assert "0 problems" in out


@pytest.mark.parametrize(
    ("source", "problem", "help_"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'caffe._caffe'\")",
            "ModuleNotFoundError: No module named 'caffe._caffe'",
            "make pycaffe",
        ),
        ("import skimage_is_not_here", "No module named 'skimage_is_not_here'", "pip install scikit-image"),
        ("import wanted_by_caffe", "No module named 'wanted_by_caffe'", "needs: wanted_by_caffe"),
        (
            "raise ImportError('numpy.core.multiarray failed to import')",
            "ImportError: numpy.core.multiarray failed to import",
            "another numpy",
        ),
        (
            f"raise ImportError({NUMPY_SAYS!r})",
            "ImportError: Original error was: No module named 'numpy.core._multiarray_umath'\n  numpy itself",
            "built for another Python: start the Python",
        ),
        ("raise ImportError(\"No module named 'numpy'\")", "ImportError: No module named 'numpy'", "it needs: numpy"),
        (
            "raise TypeError('Descriptors cannot be created directly.')",
            "TypeError: Descriptors cannot be created directly.",
            'pip install "protobuf<3.21"',
        ),
        (
            "raise ImportError('libcaffe.so.1: cannot open shared object file: No such file or directory')",
            "libcaffe.so.1: cannot open shared object file",
            "the library libcaffe.so.1 is not found",
        ),
        ("raise ImportError('_caffe.so: undefined symbol: PyExc')", "undefined symbol", "build pycaffe again"),
        ("raise RuntimeError('of its own kind')", "RuntimeError: of its own kind", "-c 'import caffe'"),
        (DIES.format("protobuf twice"), "the process ended (SIGABRT): F1 00:00 1 x.cpp:1] protobuf twice", ""),
        ("raise SystemExit('no')", "SystemExit: no", ""),
    ],
)
def test_a_caffe_that_does_not_import(fake_caffe, capsys, source, problem, help_):
    fake_caffe(source)
    code, out = check(capsys)
    assert code == 1
    assert f"\ncaffe{' ' * 19}cannot be imported\nproblem: import caffe: " in out
    assert problem in out
    assert help_ in out
    assert "1 problem," in out


def test_a_caffe_without_python_layers(fake_caffe, capsys):
    fake_caffe(GPU.replace(", 'Python'", ""))
    code, out = check(capsys)
    assert code == 1
    assert "problem: caffe has no layer type Python. Set WITH_PYTHON_LAYER := 1 in Makefile.config" in out
    assert "make clean" in out
    assert "caffe-pylayers install-caffe" in out


def test_another_package_named_caffe(fake_caffe, capsys):
    path = fake_caffe("")
    code, out = check(capsys)
    assert code == 1
    assert f"problem: {path} is not pycaffe 1.0" in out


def test_a_folder_named_caffe(tmp_path, monkeypatch, capsys):
    (tmp_path / "caffe").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(p for p in sys.path if not Path(p, "caffe").is_dir())])
    code, out = check(capsys)
    assert code == 1
    assert f"problem: {tmp_path / 'caffe'} is not pycaffe 1.0" in out


def test_the_runtime_where_there_is_no_caffe(monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.setenv("CAFFE_PYLAYERS_ENGINE", "runtime")
    code, out = check(capsys)
    assert code == 0
    assert "the runtime, pycaffe on PyTorch\n" in out
    assert "runs Python layers" in out
    versions = {line.split()[0]: line.split()[1] for line in out.splitlines() if len(line.split()) > 1}
    for name in ("numpy", "protobuf", "PyYAML", "torch", "h5py", "lmdb"):
        assert versions[name] == importlib.metadata.version(name)


def test_what_is_not_installed(fake_caffe, monkeypatch, capsys):
    fake_caffe(GPU)

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: "here" if name in ("numpy", "cv2") else None)
    monkeypatch.setenv("PATH", "")
    rows = [line.split(None, 1) for line in check(capsys)[1].splitlines()]
    assert ["numpy", "of unknown version"] in rows
    assert ["opencv-python-headless", "of unknown version  for images"] in rows
    assert [
        "torch",
        "not installed, for the runtime, which needs Python 3.10: pip install 'caffe-pylayers[runtime]'",
    ] in rows
    assert ["PyYAML", "not installed, for param_str written in YAML: pip install PyYAML"] in rows
    assert ["Graphviz", 'not installed, for pictures of nets: no program "dot"'] in rows


def test_no_caffe(monkeypatch, capsys):
    monkeypatch.setenv("CAFFE_PYLAYERS_ENGINE", "caffe")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not Path(p, "caffe").is_dir()])
    code, out = check(capsys)
    assert code == 1
    assert "No module named 'caffe'\n  none is installed for this Python: pip install 'caffe-pylayers[runtime]'" in out


def test_pycaffe_may_print_while_it_is_imported(fake_caffe, capsys):
    fake_caffe("print('Failed to include caffe_pb2, things might go wrong!')\n" + GPU)
    assert check(capsys)[0] == 0


def test_a_shadowed_caffe(fake_caffe, tmp_path, monkeypatch, capsys):
    hidden = tmp_path / "hidden" / "caffe.py"
    hidden.parent.mkdir()
    hidden.write_text("")
    monkeypatch.syspath_prepend(hidden.parent)
    fake_caffe(GPU)
    code, out = check(capsys)
    assert code == 0
    assert f"warning: {hidden} is on the Python path as well, behind the caffe above, and is not used\n" in out


def test_the_package_and_its_bare_names(fake_caffe, root, monkeypatch, capsys):
    fake_caffe(GPU)
    bare = str(root / "caffe_pylayers" / "bare")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != bare])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert f"not found under the bare names one_hot, pyloss: put {bare} on PYTHONPATH" in check(capsys)[1]


def test_a_package_found_by_the_working_directory_only(fake_caffe, root, monkeypatch, capsys):
    fake_caffe(GPU)
    others = [p for p in sys.path if Path(p).resolve() != root]
    monkeypatch.setattr(sys, "path", [str(root), *others])
    assert f"pip install it, or put {root} on PYTHONPATH" in check(capsys)[1]
    monkeypatch.setattr(sys, "path", [*others, str(root)])
    assert "pip install it" not in check(capsys)[1]

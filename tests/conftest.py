"""Fixtures for the tests that run a real Caffe."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

# Before caffe and torch are imported: glog reads it once. Repeatable sums need one BLAS thread, and several tests at a
# time are faster with one thread each.
os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The runtime needs torch.
collect_ignore_glob = (
    []
    if importlib.util.find_spec("torch")
    else ["device/test_stand_in.py", "fuzz/*", "parity/*", "pycaffe/*", "runtime/*"]
)

# What a shell starts in the background ignores Ctrl-C, and so would all processes that tests send one.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if importlib.util.find_spec("caffe"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Caffe's own dependencies say of each other
        import caffe  # noqa: F401


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def run_program(root):
    """Run a program, stdout and stderr together: run_program(*args, cwd=, pythonpath=, **env)."""

    def run(*args, cwd=root, pythonpath=(root,), **env):
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, pythonpath)), **env)
        return subprocess.run(
            list(map(str, args)),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def caffe_program(run_program):
    """Run the `caffe` program of this interpreter's Caffe, with its log."""
    beside = Path(sys.prefix).parent / "bin" / "caffe"
    program = str(beside) if beside.exists() else shutil.which("caffe")
    assert program, "no caffe program beside this Python and none on PATH"
    return lambda *args, **kwargs: run_program(program, *args, GLOG_minloglevel="0", **kwargs)


@pytest.fixture(scope="session")
def wheel(root, tmp_path_factory):
    """The wheel of this checkout, alone in its folder."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, root]
    subprocess.run(list(map(str, command)), check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A folder with data/mnist/train_lmdb and test_lmdb of the shipped digits: where LeNet's nets can run."""
    from caffe_pylayers.cli import main

    folder = tmp_path_factory.mktemp("digits")
    assert main(["--output", str(folder / "data" / "mnist")], verb="mnist") == 0
    return folder


@pytest.fixture
def make_net(tmp_path):
    """Build a net from prototxt text: make_net(text, phase=TRAIN)."""

    def build(text, phase=None):
        import caffe

        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return caffe.Net(str(path), caffe.TRAIN if phase is None else phase)

    return build


def pytest_collection_modifyitems(items):
    """Start with what takes minutes, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name not in ("test_readme.py", "test_stand_in.py"))


@pytest.fixture
def solvers():
    """Take the part of a solver of several: solvers(rank, count)."""
    from caffe_pylayers import _engine

    caffe = _engine.caffe()

    def take(rank, count):
        caffe.set_solver_rank(rank)
        caffe.set_solver_count(count)

    yield take
    take(0, 1)


@pytest.fixture
def tensor(request):
    """Make an array a tensor, on the device of tests/device/plugin.py where that is in use."""
    torch = pytest.importorskip("torch")
    where = request.config.getoption("device", "cpu")
    return lambda array: torch.from_numpy(array).to(where)

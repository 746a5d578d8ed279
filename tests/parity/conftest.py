"""The real Caffe that the runtime is held against."""

import os
import subprocess

import numpy as np
import pytest

from tests.parity import families
from tests.parity.oracle import Oracle


@pytest.fixture(scope="session")
def real_python():
    """The Python of a real Caffe. Without one the test is skipped, in CI it fails."""
    python = families.caffe_python()
    if python is None:
        message = "no real Caffe: `make caffe`, or name its Python in CAFFE_PYTHON"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return python


@pytest.fixture(scope="session")
def record(real_python, tmp_path_factory):
    """Return a function that runs a module of this folder on real Caffe, and returns the arrays that it saves."""

    def run(module):
        path = tmp_path_factory.mktemp("recorded") / "arrays.npz"
        subprocess.run([str(real_python), module.__file__, str(path)], check=True)
        with np.load(path) as file:
            return dict(file)

    return run


@pytest.fixture(scope="session")
def oracle(real_python):
    """A running real Caffe."""
    running = Oracle(real_python)
    yield running
    running.close()

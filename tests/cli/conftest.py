"""Fixtures for the tests that run real Caffe's tools beside the verbs."""

import os
import subprocess

import pytest

from tests.parity.families import caffe_python


@pytest.fixture
def tool(tmp_path):
    """Runs one of real Caffe's tools and gives its log; skipped without a Caffe, but in CI."""
    python = caffe_python()

    def run(name, *arguments):
        program = python and python.parent.parent / "usr" / "bin" / name
        if not program or not program.exists():
            assert "CI" not in os.environ, f"no {name} of a real Caffe"
            pytest.skip(f"no {name}; `make caffe` installs one")
        env = {"PYTHONHOME": str(program.parent.parent), "GLOG_minloglevel": "0", "GLOG_logtostderr": "1"}
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run

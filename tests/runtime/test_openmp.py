"""The threads of PyTorch's kernels wait for a short time only, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("caffe_pylayers.runtime.memory")

SCRIPT = "import os; before = dict(os.environ); import caffe_pylayers.runtime.memory; assert dict(os.environ) == before"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' PyTorch has another OpenMP")
@pytest.mark.parametrize(
    ("given", "shown"), [({}, "GOMP_SPINCOUNT = '20000'"), ({"GOMP_SPINCOUNT": "77"}, "GOMP_SPINCOUNT = '77'")]
)
def test_turns_before_a_thread_sleeps(given, shown):
    env = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    env |= {"OMP_DISPLAY_ENV": "verbose", **given}
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=False, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert shown in done.stderr

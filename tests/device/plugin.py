"""Runs tests on another device: python -m pytest -p tests.device.plugin --device cuda --report FILE TEST ...

`make gpu` does. --report writes a line of JSON for each test as soon as it is over: its name, outcome and seconds, what
it recorded, and why it failed. On a GPU a test that leaves it unusable, as an assertion in a kernel does, ends its
process, so that it is the only one that fails; pytest-xdist starts another.
"""

import json
import os
from pathlib import Path

import pytest
import torch

from caffe_pylayers.runtime.memory import device

LONGEST = 3000  # characters of a reason, its end


def pytest_addoption(parser):
    parser.addoption("--device", choices=("cpu", "cuda"), required=True, help="that layers compute on")
    parser.addoption("--report", metavar="FILE", help="to which a line of JSON is added for each test")


def pytest_configure(config):
    if config.getoption("device") == "cuda" and not torch.cuda.is_available():
        raise pytest.UsageError(f"this PyTorch ({torch.__version__}) sees no GPU")
    path = config.getoption("report")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(Path(path)))


@pytest.fixture(autouse=True)
def on_device(request):
    """Have layers compute on the device."""
    if request.config.getoption("device") == "cpu":
        yield
        return
    device.set_mode_gpu()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    yield
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        if "PYTEST_XDIST_WORKER" in os.environ:
            os._exit(1)
        raise


class Report:
    """A file of what became of each test."""

    def __init__(self, path):
        self._path = path

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        facts = {"test": report.nodeid, "outcome": report.outcome, "seconds": report.duration}
        facts.update(report.user_properties)
        if not report.passed:
            facts["why"] = str(report.longrepr)[-LONGEST:]
        with self._path.open("a") as file:
            print(json.dumps(facts), file=file)

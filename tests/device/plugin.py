"""Runs tests on another device: python -m pytest -p tests.device.plugin --device cuda --report FILE TEST ...

`make gpu` does. --report writes a line of JSON for each test as soon as it is over: its name, outcome and seconds, what
it recorded, and why it failed; and a last line, {"over": exit code}, unless the process has ended before. On a GPU a
test that leaves it unusable, as an assertion in a kernel does, ends its process, and so does one that lasts longer than
--limit, with all stacks on stderr: with pytest-xdist, which starts another process, it is the only one that fails. A
test that fails for want of a library is skipped.
"""

import faulthandler
import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from caffe_pylayers.runtime.memory import device
from tests.device import stand_in

LONGEST = 3000  # characters of a reason, its end
LIBRARIES = {"h5py": "h5py", "lmdb": "lmdb", "yaml": "pyyaml", "cv2": "opencv-python-headless"}
ABSENT = {library: package for library, package in LIBRARIES.items() if find_spec(library) is None}
STDERR = os.dup(2)  # where no test catches it


def pytest_addoption(parser):
    parser.addoption("--device", choices=("cpu", "cuda", stand_in.NAME), required=True, help="that layers compute on")
    parser.addoption("--report", metavar="FILE", help="to which a line of JSON is added for each test")
    parser.addoption("--limit", type=float, metavar="SECONDS", help="that one test may last")


def pytest_configure(config):
    if config.getoption("device") == "cuda" and not torch.cuda.is_available():
        raise pytest.UsageError(f"this PyTorch ({torch.__version__}) sees no GPU")
    if config.getoption("device") == stand_in.NAME:
        stand_in.load()
    path = config.getoption("report")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(Path(path)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    limit = item.config.getoption("limit")
    if limit:
        faulthandler.dump_traceback_later(limit, exit=True, file=STDERR)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and (lack := lacking(call.excinfo.value)):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"Skipped: needs {lack}")


def lacking(error):
    """The library that is not there, for want of which there is an error; None if that is not why."""
    while error is not None:
        for library, package in ABSENT.items():
            if getattr(error, "name", None) == library or f"pip install {package}" in str(error):
                return library
        error = error.__cause__ or error.__context__
    return None


@pytest.fixture(autouse=True)
def on_device(request, monkeypatch):
    """Have layers compute on the device."""
    if request.config.getoption("device") == stand_in.NAME:
        stand_in.use(monkeypatch)
    if request.config.getoption("device") != "cuda":
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
        self._write(facts)

    def pytest_sessionfinish(self, exitstatus):
        self._write({"over": int(exitstatus)})

    def _write(self, facts):
        with self._path.open("a") as file:
            print(json.dumps(facts), file=file)

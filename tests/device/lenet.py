"""LeNet with the two Python layers: a GPU learns what the CPU learns, and no iteration waits for it."""

import collections
import re
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from caffe_pylayers import pycaffe
from caffe_pylayers._nets.prototxt import parse_solver
from caffe_pylayers.cli._mnist.source import sample
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.proto import caffe_pb2

h5py = pytest.importorskip("h5py")

FIRST = 10  # iterations whose losses agree: then rounding has grown
TEST_BATCHES = 10  # the whole test set, a hundred each
PROFILED = 10  # iterations
INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 64 dim: 1 dim: 28 dim: 28 } shape { dim: 64 } } }
"""


FILES = """
layer { name: "in" type: "HDF5Data" top: "data" top: "label" include { phase: %s }
        hdf5_data_param { source: "%s" batch_size: %d } }
"""


@pytest.fixture
def lenet(request, root, tmp_path):
    """Make LeNet's solver as its prototxt has it, its data read ahead from HDF5 files or left to Input blobs."""
    folder = root / "prototxt" / "lenet"
    layers = re.split(r'(?=layer \{\n  name: "conv1")', (folder / "train_test.prototxt").read_text())[1]
    digits = sample()
    held = TEST_BATCHES * 100
    for phase, rows in (("TRAIN", slice(None, -held)), ("TEST", slice(-held, None))):
        with h5py.File(tmp_path / f"{phase}.h5", "w") as file:
            file["data"] = digits.images[rows, np.newaxis] * np.float32(1 / 256)
            file["label"] = digits.labels[rows].astype(np.float32)
        (tmp_path / phase).write_text(f"{tmp_path / phase}.h5\n")

    def make(files=True):
        param = parse_solver((folder / "solver.prototxt").read_text(), messages=caffe_pb2)
        net = tmp_path / "net.prototxt"
        data = [FILES % (phase, tmp_path / phase, size) for phase, size in (("TRAIN", 64), ("TEST", 100))]
        net.write_text((" ".join(data) if files else INPUT) + layers)
        param.net, param.random_seed = str(net), 1
        param.display = param.snapshot = 0
        if request.config.getoption("device") != "cuda":
            param.max_iter //= 10  # which shows that it runs
        param.test_initialization, param.test_interval = False, 2 * param.max_iter
        if not files:
            param.test_interval = 0
            param.ClearField("test_iter")
        solver = pycaffe.SGDSolver(param)
        if files:
            solver.reuse_memory()  # as `train` does
        return solver

    return make


def trained(solver):
    """The first losses, the accuracy after all iterations, and the milliseconds of one."""
    losses = []
    for _ in range(FIRST):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data.sum()))
    start = time.perf_counter()
    solver.step(solver.param.max_iter - FIRST)
    losses.append(float(solver.net.blobs["loss"].data.sum()))
    ms = (time.perf_counter() - start) / (solver.param.max_iter - FIRST) * 1e3
    (net,) = solver.test_nets
    net.share_with(solver.net)
    accuracy = np.mean([net.forward()["accuracy"] for _ in range(TEST_BATCHES)])
    return losses[:FIRST], float(accuracy), ms


def test_learns_what_it_learns_on_the_cpu(lenet, record_property):
    losses, accuracy, ms = trained(lenet())
    name = device.current().type
    device.set_mode_cpu()
    expected, goal, on_cpu = trained(lenet())
    record_property("figures", f"accuracy {accuracy:.4f} on {name}, {goal:.4f} on cpu; {ms:.2f} and {on_cpu:.2f} ms")
    np.testing.assert_allclose(losses, expected, rtol=1e-3)
    assert accuracy >= goal - 0.005


def fed(solver):
    """A call that trains an iteration on other values of the Input blobs, copied on the device."""
    names = ("data", "label")
    blobs = [solver.net.blobs[name] for name in names]
    rng = np.random.RandomState(0)
    batches = [(rng.standard_normal(blobs[0].shape), rng.randint(0, 10, blobs[1].shape)) for _ in range(2)]
    on_device = [[torch.tensor(x, dtype=torch.float32, device=device.current()) for x in batch] for batch in batches]

    def call():
        on_device.append(on_device.pop(0))
        for blob, values in zip(blobs, on_device[0]):
            blob.tensor.copy_(values)
        solver.step(1)

    return call


@pytest.mark.parametrize("data", ["Input", "HDF5Data"])
def test_no_iteration_waits(lenet, record_property, data):
    """Nor does the thread that reads ahead, where that is seen."""
    if device.current().type != "cuda":
        pytest.skip("only a GPU waits")
    solver = lenet(data == "HDF5Data")
    call = fed(solver) if data == "Input" else lambda: solver.step(1)
    for _ in range(20):
        call()
    seen = profile(call)
    record_property("figures", ", ".join(f"{count / PROFILED:g} {name}" for name, count in seen.items()))
    places = waits(call)
    assert not places, "\n".join(f"{count} x {place}" for place, count in places.most_common())
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def waits(call):
    """How often each place had two iterations wait: as "file:line: source < its caller < ..."."""
    places = collections.Counter()

    def seen(message, *_args, **_kwargs):
        if "synchronizing CUDA operation" not in str(message):  # such as that this mode is a prototype
            return
        frames = [
            f"{Path(frame.filename).name}:{frame.lineno}: {frame.line}"
            for frame in traceback.extract_stack()[:-1]
            if {"caffe_pylayers", "tests"}.intersection(Path(frame.filename).parts)
        ]
        places[" < ".join(frames[:-5:-1])] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = seen
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
            call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return places


def profile(call):
    """How many kernels, waits and copies a number of iterations have, as the driver counts them, by their kind."""
    kinds = {
        "kernels": r"cudaLaunchKernel|cuLaunchKernel",
        "waits": r"cuda(Stream|Device|Event)Synchronize",
        "copies to the host": r"Memcpy DtoH",
        "from it": r"Memcpy HtoD",
    }
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(PROFILED):
            call()
    found = dict.fromkeys(kinds, 0)
    for event in profiler.key_averages():
        for kind, pattern in kinds.items():
            if re.match(pattern, event.key):
                found[kind] += event.count
    return found

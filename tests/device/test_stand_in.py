"""What `make gpu` tests on a GPU, and more, on a device that stands in for one: with real values, on every machine."""

import os
import re
import subprocess
import sys

import pytest
import torch

from caffe_pylayers import _engine
from tests.device import stand_in

pytestmark = [
    pytest.mark.skipif(not _engine.on_runtime(), reason="it is a device of the runtime's"),
    pytest.mark.skipif(not stand_in.has_compiler(), reason=f"there is no compiler {stand_in.COMPILER}"),
]
# What is equal to the bit may not be on a GPU, from one call to the next; and arrays that are held are the host's.
MORE = {
    "memory": (
        *("tests/runtime/memory/test_memory.py", "tests/runtime/layers/test_shared_diffs.py"),
        *("tests/runtime/net/test_reuse_in_nets.py", "-k", "not outside and not let_go and not makers and not is_held"),
    ),
    "pycaffe": ("tests/pycaffe",),
}
PARTS = ["layer types", "solvers", "whole nets", "Python layers", "LeNet", *MORE]


@pytest.fixture(scope="module")
def place():
    """The device, in this process."""
    return stand_in.load()


@pytest.mark.parametrize("part", PARTS)
def test_part(part, gpu_script, root):
    words = ["-m", "pytest", "-p", "tests.device.plugin", "--device", stand_in.NAME, "-q", "--tb=short"]
    words += ["-p", "no:cacheprovider", "-p", "no:xdist", *{**gpu_script.TESTS, **MORE}[part]]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True, cwd=root, env=env)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout)


def test_every_part_is_tested(gpu_script):
    assert [*gpu_script.TESTS, *MORE] == PARTS


# --- the device itself ------------------------------------------------------------------------------


def test_values_are_neither_the_hosts_nor_zero(place):
    assert torch.empty(3, device=place).cpu().isnan().all()
    there = torch.arange(3.0).to(place)
    assert (there.device, there.sum().item()) == (place, 3)
    with pytest.raises(TypeError, match="numpy"):
        there.numpy()


@pytest.mark.parametrize("call", ["x + h", "x[h.long()]", "torch.cat([x, h])", "torch.mul(x, 2, out=h)"])
def test_tensors_of_the_host_are_refused(place, call):
    x, h = torch.ones(3).to(place), torch.ones(3)
    with pytest.raises(RuntimeError, match=r"of the host|same device"):
        eval(call, {"torch": torch, "x": x, "h": h})


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x[:, 1:].mul_(2),
        lambda x: x.unfold(1, 2, 1)[0].fill_(7),
        lambda x: torch.maximum(x[::2], x[1::2], out=x.new_empty(1, 3)),
        lambda x: x.view(6).t().sigmoid_(),
        lambda x: torch.sum(x, 1, out=x.new_empty(0)),
        lambda x: torch.nn.functional.conv2d(x.view(1, 1, 2, 3), x.view(1, 1, 2, 3), padding=1),
    ],
)
def test_gives_the_numbers_of_the_cpu(place, call):
    own, theirs = torch.arange(6.0).view(2, 3), torch.arange(6.0).view(2, 3).to(place)
    made, given = call(own), call(theirs)
    torch.testing.assert_close(given.cpu(), made)
    torch.testing.assert_close(theirs.cpu(), own)

"""A device for machines without a GPU: PyTorch's place for others' devices, with the host's memory, stand_in.cpp.

Values live on it as on a GPU: Blobs copy them to the host and back, arrays are not made of its tensors, and an
operation with a tensor of the host fails. Its kernels are the CPU's, so that all numbers are real. Where a GPU would
wait tests/runtime/meta/ shows; streams and pinned memory only a GPU has.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import types
from pathlib import Path

import torch

from caffe_pylayers.runtime.memory import device

NAME = "stand_in"
SOURCE = Path(__file__).with_suffix(".cpp")
BUILT = Path(__file__).resolve().parents[2] / "build" / NAME  # kept: it takes half a minute
COMPILER = os.environ.get("CXX", "c++")


def has_compiler():
    return shutil.which(COMPILER) is not None


@functools.cache
def load():
    """Have PyTorch know the device; return it."""
    torch.ops.load_library(str(_built()))
    torch.utils.rename_privateuse1_backend(NAME)
    module = types.ModuleType(f"torch.{NAME}")
    module.is_available, module.device_count, module.current_device = lambda: True, lambda: 1, lambda: 0
    module._is_in_bad_fork, module.manual_seed_all = lambda: False, lambda seed: None
    torch._register_device_module(NAME, module)
    return torch.device(NAME, 0)


def use(monkeypatch):
    """Have the runtime take the device for a GPU, which it computes on from now on."""
    monkeypatch.setattr(device, "count", lambda: 1)
    monkeypatch.setattr(device, "_select", lambda number: load())
    device.set_mode_gpu()


def _built():
    """The library of this PyTorch, compiled by one process for all."""
    import fcntl  # which Windows lacks

    version = hashlib.sha256(SOURCE.read_bytes() + torch.__version__.encode()).hexdigest()[:12]
    library = BUILT / f"{version}.so"
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            part = library.with_suffix(".part")
            pytorch = Path(torch.__file__).parent
            words = [COMPILER, "-O1", "-std=c++20", "-shared", "-fPIC", SOURCE, "-o", part, f"-I{pytorch}/include"]
            words += [f"-I{pytorch}/include/torch/csrc/api/include", f"-L{pytorch}/lib", "-lc10", "-ltorch_cpu"]
            subprocess.run(list(map(str, words)), check=True)
            part.rename(library)
    return library

"""Caffe's mode and device, for the whole process: where the values live."""

from __future__ import annotations

import operator
import os
import warnings

import torch

VARIABLE = "CAFFE_PYLAYERS_CPU"  # 1: set_mode_gpu and set_device stay on the CPU
HOST = torch.device("cpu")
_device = HOST
_gpu = 0
_warned = False


def current() -> torch.device:
    """Return the device that layers compute on."""
    return _device


def count() -> int:
    """Return the number of GPUs that this PyTorch sees."""
    return torch.cuda.device_count()


def keeps_cpu() -> bool:
    """Return True if the user's variable keeps this process on the CPU, whatever GPU is chosen."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def set_mode_cpu() -> None:
    """Compute on the CPU."""
    global _device
    _device = HOST


def set_mode_gpu() -> None:
    """Compute on the GPU that set_device chose, the first by default.

    RuntimeError where there is none. With CAFFE_PYLAYERS_CPU=1 the CPU is kept, with one warning.
    """
    global _device
    if _kept_on_cpu("set_mode_gpu()"):
        return
    _check(_gpu)
    # Caffe's products have float32's precision; PyTorch's convolutions would have ten bits of it.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    _device = _select(_gpu)


def set_device(number: int) -> None:
    """Choose the GPU; RuntimeError where it does not exist. With CAFFE_PYLAYERS_CPU=1 as set_mode_gpu."""
    global _gpu, _device
    number = operator.index(number)
    if _kept_on_cpu(f"set_device({number})"):
        return
    _check(number)
    _gpu = number
    if _device.type != "cpu":
        _device = _select(number)


def _select(number: int) -> torch.device:
    """Return a GPU after making it PyTorch's current one: what names no GPU must not wake another process's."""
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def _kept_on_cpu(call: str) -> bool:
    global _warned
    if not keeps_cpu():
        return False
    if not _warned:
        _warned = True
        warnings.warn(f"{VARIABLE} is set: {call} and the like stay on the CPU", UserWarning, stacklevel=3)
    return True


def _check(number: int) -> None:
    found = count()
    if 0 <= number < found:
        return
    sees = f"sees GPUs 0 to {found - 1}" if found else "sees no GPU"
    raise RuntimeError(
        f"GPU {number} cannot be used: this PyTorch ({torch.__version__}) {sees}. Use the CPU by caffe.set_mode_cpu(), "
        f"or leave the script as it is: caffe-pylayers run --cpu SCRIPT, or {VARIABLE}=1. A GPU needs its driver and a "
        "PyTorch with CUDA, see pytorch.org"
    )

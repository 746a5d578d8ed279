"""Where the values live: Caffe's mode and device, for the whole process."""

from __future__ import annotations

import torch

HOST = torch.device("cpu")
_device = HOST
_gpu = 0


def current() -> torch.device:
    """The device that layers compute on."""
    return _device


def set_mode_cpu() -> None:
    """Compute on the CPU."""
    global _device
    _device = HOST


def set_mode_gpu() -> None:
    """Compute on the GPU that set_device chose, the first by default; RuntimeError where there is none."""
    global _device
    _check(_gpu)
    # Caffe's products have float32's precision; PyTorch's convolutions would have ten bits of it.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    _device = torch.device("cuda", _gpu)


def set_device(number: int) -> None:
    """Choose the GPU; RuntimeError where it does not exist."""
    global _gpu, _device
    _check(number)
    _gpu = number
    if _device.type != "cpu":
        _device = torch.device("cuda", number)


def _check(number: int) -> None:
    found = torch.cuda.device_count()
    if not 0 <= number < found:
        raise RuntimeError(f"GPU {number} cannot be used: this PyTorch ({torch.__version__}) sees {found} GPUs")

"""PyTorch's meta device as the runtime's: tensors have shapes there and no values, so whatever reads one fails.

What would make a GPU wait and yet does no harm to tensors without values fails too: copies that the host waits for, and
operations whose result has a shape that follows from values.
"""

import contextlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from caffe_pylayers._layer import arrays
from caffe_pylayers._layer.functions.draws import Draws
from caffe_pylayers.runtime import rng
from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.net import late_checks
from caffe_pylayers.runtime.solvers import sgd

META = torch.device("meta")
BY_VALUES = ("nonzero", "masked_select", "unique", "bincount", "repeat_interleave.Tensor", "histc", "_local_scalar")


class WaitError(Exception):
    """An operation for which a GPU and the host wait for each other."""


@contextlib.contextmanager
def on_meta(monkeypatch):
    """Compute on the meta device; with a call of what this gives, what a GPU would wait for fails."""
    with monkeypatch.context() as patch:
        patch.setattr(device, "_device", META)
        patch.setitem(rng._generators, META, torch.Generator())  # there is none of the meta device
        patch.setattr(Draws, "normal", lambda draws, out: out.normal_())
        if sgd.fused_sgd is not None:
            patch.setattr(sgd, "fused_sgd", _fused_sgd)  # PyTorch has it for CPU and CUDA only
        patch.setattr(arrays, "address", _address)
        patch.setattr(late_checks, "answers", lambda flags: lambda: [True for _ in flags])
        with torch.no_grad():
            yield watched


@contextlib.contextmanager
def watched():
    """Raise WaitError for what a GPU would wait for."""
    with _Watch(), _NewTensors():
        yield


@contextlib.contextmanager
def checks_on_meta():
    """Collect checks, as a net does, and have no answers."""
    with late_checks.LateChecks().collect():
        yield


_MAKERS = {torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor}


class _NewTensors(TorchFunctionMode):
    """Raises WaitError for tensors that are made of the host's numbers."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **kwargs or {})
        of_host = func is torch.Tensor.new_tensor or not isinstance(args[:1] and args[0], torch.Tensor)
        if func in _MAKERS and of_host and made.device == META:
            raise WaitError(f"{func.__name__}: numbers of the host")
        return made


class _Watch(TorchDispatchMode):
    """Raises WaitError for operations with meta tensors that a GPU would wait for."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        problem = _problem(str(func).removeprefix("aten."), args, kwargs)
        if problem:
            raise WaitError(problem)
        return func(*args, **kwargs)


def _problem(name, args, kwargs):
    tensors = [x for x in [*args, *kwargs.values()] if isinstance(x, torch.Tensor)]
    if name.startswith("_to_copy"):
        to_meta = kwargs.get("device") is not None and torch.device(kwargs["device"]) == META
    else:
        to_meta = any(x.device == META for x in tensors)
    if not to_meta:
        return ""
    if any(name.startswith(kind) or name.startswith(f"_{kind}") for kind in BY_VALUES):
        return f"{name}: its result has a shape that follows from values"
    by_index = args[1] if name.startswith(("index.", "index_put", "_index_put")) else ()
    if any(x is not None and x.dtype in (torch.bool, torch.uint8) for x in by_index):
        return f"{name}: an index of booleans"
    from_host = [x for x in tensors if x.device == device.HOST]
    if not from_host:
        return ""
    copies = name.startswith(("copy_", "_to_copy"))
    if copies and not (kwargs.get("non_blocking") or args[2:3] == (True,)):
        return f"{name}: a copy to the device that the host waits for, of shape {tuple(from_host[0].shape)}"
    return ""


def _fused_sgd(*tensors, **numbers):
    assert all(x.device == META for group in tensors for x in group)


_address_of_values = arrays.address


def _address(array):
    """Tell tensors apart, all of whose values are at 0."""
    if arrays.is_tensor(array) and array.device == META:
        return array.untyped_storage()._cdata
    return _address_of_values(array)

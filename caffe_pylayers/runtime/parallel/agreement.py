"""What has to be the same in all processes that train together, as texts that are compared line by line."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from google.protobuf import text_format

from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.solvers.solver import Solver

# Of a SolverParameter, what may be each process's own: where its files are, and what it shows, tests and stores.
_OWN = (
    *("net", "net_param", "train_net", "train_net_param", "train_state", "weights", "random_seed", "device_id"),
    *("test_net", "test_net_param", "test_state", "test_iter", "test_interval", "test_compute_loss"),
    *("test_initialization", "display", "average_loss", "debug_info", "solver_mode", "solver_type", "type"),
    *("snapshot", "snapshot_prefix", "snapshot_diff", "snapshot_format", "snapshot_after_train", "layer_wise_reduce"),
)
_PLACES = ("source", "root_folder", "mean_file", "file_name")  # of a layer's files


def net(trained: Net) -> str:
    """Return a line for each layer that learns: its shapes, and the rates that they learn at."""
    rates = {id(blob): rate for blob, rate in zip(trained.learnable, trained.lr_mults)}
    return "\n".join(
        f"layer {name} of " + ", ".join(f"{_shape(blob)} with lr_mult {rates.get(id(blob), 1):g}" for blob in blobs)
        for name, blobs in trained.params.items()
    )


def layers(trained: Net) -> str:
    """Return a line for each field of each layer, but where its files are, which is each machine's own."""
    lines = []
    for step in trained.steps:
        for field in text_format.MessageToString(step.layer.layer_param).splitlines():
            name = field.strip().partition(":")[0]
            if name not in _PLACES and (step.bottom or name != "param_str"):  # a data layer's names its files
                lines.append(f"layer {step.layer.name} with {field.strip()}")
    return "\n".join(lines)


def solver(of: Solver) -> str:
    """Return a line for each field that the updates depend on, the type, and the mode that this process is in."""
    mode = "CPU" if device.current() == device.HOST else "GPU"  # one of each would wait for each other by other ways
    return "\n".join([f"type {of.type}", f"mode {mode}", *fields(of.param)])


def fields(param: Any) -> list[str]:
    """Return a line for each field of a SolverParameter that the updates depend on, but the type."""
    names = [field.name for field in param.DESCRIPTOR.fields if field.name not in _OWN]
    return [f"{name} {_value(getattr(param, name))}" for name in names]


def values(trained: Net) -> str:
    """Return a line for each layer that learns: a checksum of its values."""
    return "\n".join(f"layer {name} with values {_checksum(blobs)}" for name, blobs in trained.params.items())


def _shape(blob: Blob) -> str:
    return " x ".join(map(str, blob.shape)) or "1"


def _value(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _checksum(blobs: Any) -> str:
    found = 0
    for blob in blobs:
        found = zlib.crc32(np.ascontiguousarray(blob.read().cpu().numpy()).data, found)
    return f"{found:08x}"

"""What ``import caffe`` shows on the runtime: pycaffe's names, functions and modules.

    from caffe_pylayers import runtime
    caffe = runtime.install()        # from here on, `import caffe` is this package
    net = caffe.Net("deploy.prototxt", caffe.TEST, weights="lenet.caffemodel")

A module of this package is caffe's module of that name; those that pycaffe does not have start with ``_``.
"""

from __future__ import annotations

import importlib
from typing import Any

from caffe_pylayers._engine.install import install
from caffe_pylayers.pycaffe._nccl import NCCL, has_nccl
from caffe_pylayers.pycaffe._timer import Timer
from caffe_pylayers.runtime import proto  # noqa: F401 - caffe.proto
from caffe_pylayers.runtime.layers.layer import LAYERS as _LAYERS
from caffe_pylayers.runtime.layers.python_layer import PythonLayerBase as Layer
from caffe_pylayers.runtime.memory.device import set_device, set_mode_cpu, set_mode_gpu
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.process import (
    init_log,
    log,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from caffe_pylayers.runtime.rng import seed as set_random_seed
from caffe_pylayers.runtime.solvers import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)

TRAIN, TEST = 0, 1
__version__ = "1.0.0"  # of the Caffe that this is


def layer_type_list() -> list[str]:
    """The names of all layer types."""
    return _LAYERS.names()


# What few scripts use, loaded by those that do: the module, and the name in it where it is not the module itself.
_ON_DEMAND = {
    "Classifier": ("classifier", "Classifier"),
    "Detector": ("detector", "Detector"),
    "NetSpec": ("net_spec", "NetSpec"),
    "_caffe": ("_caffe", ""),
    "classifier": ("classifier", ""),
    "detector": ("detector", ""),
    "io": ("io", ""),
    "layers": ("net_spec", "layers"),
    "net_spec": ("net_spec", ""),
    "params": ("net_spec", "params"),
    "pycaffe": ("pycaffe", ""),
    "to_proto": ("net_spec", "to_proto"),
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module_name, attribute = _ON_DEMAND[name]
    module = importlib.import_module(f"{__name__}.{module_name}")
    found = globals()[name] = getattr(module, attribute) if attribute else module
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})


__all__ = [
    "NCCL",
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Classifier",
    "Detector",
    "Layer",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Timer",
    "get_solver",
    "has_nccl",
    "init_log",
    "install",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "net_spec",
    "params",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]

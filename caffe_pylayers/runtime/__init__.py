"""pycaffe on PyTorch: the same prototxts, Python layers and caffemodels, without building Caffe.

    from caffe_pylayers import runtime
    caffe = runtime.install()        # from here on, `import caffe` is this package
    net = caffe.Net("deploy.prototxt", caffe.TEST, weights="lenet.caffemodel")

Needs Python 3.10 or newer and the extra ``runtime``.
"""

from __future__ import annotations

from caffe_pylayers.runtime import layers as _layers  # noqa: F401 - registers the native types
from caffe_pylayers.runtime.device import set_device, set_mode_cpu, set_mode_gpu
from caffe_pylayers.runtime.install import install
from caffe_pylayers.runtime.layer import LAYERS as _LAYERS
from caffe_pylayers.runtime.net import Net
from caffe_pylayers.runtime.process import (
    init_log,
    log,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from caffe_pylayers.runtime.python_layer import PythonLayerBase as Layer
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


def has_nccl() -> bool:
    """Whether several GPUs can train together through caffe.NCCL."""
    return False


__all__ = [
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Layer",
    "NesterovSolver",
    "Net",
    "RMSPropSolver",
    "SGDSolver",
    "get_solver",
    "has_nccl",
    "init_log",
    "install",
    "layer_type_list",
    "log",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
]

"""``caffe._caffe``: the names of pycaffe's compiled part, each from where the runtime has it."""

from caffe_pylayers.runtime.layers.layer import LAYERS
from caffe_pylayers.runtime.layers.python_layer import PythonLayerBase as Layer
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.blob_vec import BlobVec
from caffe_pylayers.runtime.memory.device import set_device, set_mode_cpu, set_mode_gpu
from caffe_pylayers.runtime.net.net import Net
from caffe_pylayers.runtime.parallel.nccl import NCCL, has_nccl
from caffe_pylayers.runtime.process import (
    init_log,
    log,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from caffe_pylayers.runtime.proto.caffe_pb2 import LayerParameter, SolverParameter
from caffe_pylayers.runtime.rng import seed as set_random_seed
from caffe_pylayers.runtime.solvers import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)
from caffe_pylayers.runtime.timer import Timer

__version__ = "1.0.0"  # of the Caffe that this is

# The vectors of pycaffe, which are lists here.
RawBlobVec = LayerVec = NetVec = IntVec = BoolVec = DtypeVec = StringVec = list


def layer_type_list() -> list[str]:
    """Return the names of all layer types, sorted."""
    return LAYERS.names()

"""What ``import caffe`` shows on the runtime: pycaffe's names, functions and modules, and ``install``.

    from caffe_pylayers import runtime
    caffe = runtime.install()        # from here on, `import caffe` is this package
    net = caffe.Net("deploy.prototxt", caffe.TEST, weights="lenet.caffemodel")

The modules of this package are pycaffe's, under its names: caffe.io, caffe.net_spec, caffe._caffe, ...
"""

from caffe_pylayers._engine.install import install
from caffe_pylayers.pycaffe import _caffe, classifier, coord_map, detector, draw, io, net_spec, pycaffe
from caffe_pylayers.pycaffe._caffe import (
    Layer,
    __version__,
    get_solver,
    has_nccl,
    init_log,
    layer_type_list,
    log,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from caffe_pylayers.pycaffe.classifier import Classifier
from caffe_pylayers.pycaffe.detector import Detector
from caffe_pylayers.pycaffe.net_spec import NetSpec, layers, params, to_proto
from caffe_pylayers.pycaffe.pycaffe import (
    NCCL,
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    Net,
    RMSPropSolver,
    SGDSolver,
    Timer,
)
from caffe_pylayers.runtime import proto
from caffe_pylayers.runtime.proto.caffe_pb2 import TEST, TRAIN

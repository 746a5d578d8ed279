"""``caffe.pycaffe``: the nets, solvers and timer of pycaffe, for scripts that go there."""

from caffe_pylayers.pycaffe._caffe import (
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

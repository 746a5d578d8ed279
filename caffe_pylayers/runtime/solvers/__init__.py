"""Caffe's solvers."""

from __future__ import annotations

from typing import Any

from caffe_pylayers.runtime import _openmp  # noqa: F401 - it loads PyTorch, before anything here does
from caffe_pylayers.runtime.solvers.adadelta import AdaDeltaSolver
from caffe_pylayers.runtime.solvers.adagrad import AdaGradSolver
from caffe_pylayers.runtime.solvers.adam import AdamSolver
from caffe_pylayers.runtime.solvers.nesterov import NesterovSolver
from caffe_pylayers.runtime.solvers.rmsprop import RMSPropSolver
from caffe_pylayers.runtime.solvers.sgd import SGDSolver
from caffe_pylayers.runtime.solvers.solver import SOLVERS, Solver, name_of, read_param
from caffe_pylayers.runtime.solvers.training import Action

__all__ = [
    "SOLVERS",
    "Action",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "NesterovSolver",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "get_solver",
]


def get_solver(solver: Any) -> Solver:
    """Return a solver of the type that a solver prototxt, or a SolverParameter, names."""
    made: Solver = SOLVERS.get(read_param(solver).type, hint=f" in {name_of(solver)}")(solver)
    return made

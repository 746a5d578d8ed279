"""What stops a training that a solver file asks for: what Caffe refuses, and what makes no sense to train by."""

from __future__ import annotations

from operator import ge
from typing import Any, Iterator

from caffe_pylayers._nets import solver_rules


def solver_type(param: Any) -> str:
    """The type of a SolverParameter, ``Adam`` say."""
    return str(param.type)


def history_blobs(param: Any) -> int:
    """How many blobs of its own the solver keeps for each that is learned."""
    return solver_rules.HISTORIES[solver_type(param)]


def solver_problems(param: Any) -> list[str]:
    """What is wrong with a SolverParameter, a line for each."""
    return [*solver_rules.problems(param), *_without_sense(param)]


def _without_sense(param: Any) -> Iterator[str]:
    """What Caffe takes, and does something else with than the file seems to ask for."""
    if any(count < 0 for count in param.test_iter):
        yield "test_iter must be at least 0"
    if param.lr_policy == "multistep" and any(map(ge, param.stepvalue, param.stepvalue[1:])):
        yield f"each stepvalue must be above the one before; they are {', '.join(map(str, param.stepvalue))}"
    if param.max_iter < 1:
        yield f"max_iter must be at least 1; is {param.max_iter}"

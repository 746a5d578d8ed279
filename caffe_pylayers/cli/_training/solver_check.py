"""Checks of a solver file before training: values that Caffe refuses, and values that nobody can have meant."""

from __future__ import annotations

from operator import ge
from typing import Any, Iterator

from caffe_pylayers._nets import solver_rules


def solver_problems(param: Any) -> list[str]:
    """Return a message for each value of a SolverParameter that is wrong."""
    return [*solver_rules.problems(param), *_not_meant(param)]


def _not_meant(param: Any) -> Iterator[str]:
    """Yield a message for each value that Caffe accepts but does not treat as the file seems to ask."""
    if any(count < 0 for count in param.test_iter):
        yield "test_iter must be at least 0"
    if param.lr_policy == "multistep" and any(map(ge, param.stepvalue, param.stepvalue[1:])):
        yield f"each stepvalue must be above the one before; they are {', '.join(map(str, param.stepvalue))}"
    if param.max_iter < 1:
        yield f"max_iter must be at least 1; is {param.max_iter}"

"""What Caffe ends the process for in a solver, found before it does."""

from __future__ import annotations

from operator import ge
from typing import Any, Iterator

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")  # in the order of the old solver_type
POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")


def solver_type(param: Any) -> str:
    """The solver's type, from the old enumeration if that is what the file has."""
    return TYPES[param.solver_type] if param.HasField("solver_type") else str(param.type)


def history_blobs(param: Any) -> int:
    """How many blobs of its own the solver keeps for each that is learned."""
    return 2 if solver_type(param) in ("AdaDelta", "Adam") else 1


def solver_problems(param: Any) -> list[str]:
    """What is wrong with a SolverParameter, each in a line."""
    return [*_nets(param), *_learning_rate(param), *_update(param)]


def _nets(param: Any) -> Iterator[str]:
    fields = ("net", "net_param", "train_net", "train_net_param")
    given = [name for name in fields if param.HasField(name)]
    if len(given) != 1:
        yield f"needs one of {', '.join(fields)}; has {' and '.join(given) or 'none'}"
    tests, passes = len(param.test_net) + len(param.test_net_param), len(param.test_iter)
    if passes < tests or (passes > tests and not (param.net or param.HasField("net_param"))):
        yield f"needs a test_iter for each test net: has {passes} for {tests}"
    if param.test_state and len(param.test_state) != passes:
        yield f"needs a test_state for each test_iter, or none: has {len(param.test_state)} for {passes}"
    if any(count < 0 for count in param.test_iter):
        yield "test_iter must be at least 0"
    if passes and param.test_interval <= 0:
        yield "has a test_iter, so it needs a test_interval above 0"


def _learning_rate(param: Any) -> Iterator[str]:
    policy = param.lr_policy
    if policy not in POLICIES:
        yield f'lr_policy must be one of {", ".join(POLICIES)}; is "{policy}"'
    if policy in ("step", "sigmoid") and param.stepsize <= 0:
        yield f'lr_policy "{policy}" needs a stepsize above 0'
    if policy in ("step", "exp", "inv", "multistep", "sigmoid") and param.gamma < 0:
        yield f"gamma must be at least 0; is {param.gamma:g}"
    if policy == "multistep" and any(map(ge, param.stepvalue, param.stepvalue[1:])):
        yield f"each stepvalue must be above the one before; they are {', '.join(map(str, param.stepvalue))}"


def _update(param: Any) -> Iterator[str]:
    if param.HasField("solver_type") and param.HasField("type"):
        yield "has both type and the old solver_type; drop solver_type"
    elif solver_type(param) not in TYPES:
        yield f'type must be one of {", ".join(TYPES)}; is "{param.type}"'
    if solver_type(param) in ("AdaGrad", "RMSProp") and param.momentum != 0:
        yield f"{solver_type(param)} takes no momentum; drop it"
    if solver_type(param) == "RMSProp" and not 0 <= param.rms_decay < 1:
        yield f"rms_decay must be in [0, 1); is {param.rms_decay:g}"
    if param.regularization_type not in ("L1", "L2"):
        yield f'regularization_type must be L1 or L2; is "{param.regularization_type}"'
    for name in ("average_loss", "iter_size", "max_iter"):
        if getattr(param, name) < 1:
            yield f"{name} must be at least 1; is {getattr(param, name)}"

"""Caffe's learning rate policies: (SolverParameter, iteration, current step) -> (rate, current step).

Computed in the precision that Caffe computes them in, so that rates agree to the last bit: powers
of gamma in float64, the rest in float32, its powers and exponentials rounded from float64.
"""

from __future__ import annotations

import difflib
import math
from typing import Any, Callable, Tuple

import numpy as np

from caffe_pylayers._layer.quote import quoted

Rate = Tuple[Any, int]


def learning_rate(param: Any, iteration: int, current_step: int) -> tuple[float, int]:
    """Return the rate of an iteration, and the step that the policies ``step`` and ``multistep`` are in.

    Raises ValueError for an unknown policy, for parameters that Caffe refuses, and for a rate
    that is not finite.
    """
    for problem in problems(param):
        raise ValueError(problem)
    with np.errstate(all="ignore"):
        rate, current_step = POLICIES[param.lr_policy](param, iteration, current_step)
        rate = float(np.float32(rate))
    if not math.isfinite(rate):
        raise ValueError(f"lr_policy {param.lr_policy} gives a rate of {rate} at iteration {iteration}")
    return rate, current_step


def problems(param: Any) -> list[str]:
    """List what Caffe refuses in the policy of a SolverParameter, a line for each."""
    policy = param.lr_policy
    if policy not in POLICIES:
        return [f"lr_policy must be one of {', '.join(POLICIES)}; is {quoted(policy)}{_meant(policy)}"]
    found = []
    if policy in _NEED_STEPSIZE and param.stepsize <= 0:
        found.append(f'lr_policy "{policy}" needs a stepsize above 0; is {param.stepsize}')
    if policy in _NEED_GAMMA and not param.gamma >= 0:
        found.append(f'lr_policy "{policy}": gamma must be at least 0; is {param.gamma:g}')
    return found


def _meant(policy: str) -> str:
    close = difflib.get_close_matches(policy.lower(), POLICIES, n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""


# --- the policies ----------------------------------------------------------------------------------


def fixed(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr"""
    return param.base_lr, current_step


def step(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * gamma ** floor(iteration / stepsize)"""
    current_step = iteration // param.stepsize
    return param.base_lr * _power(param.gamma, current_step), current_step


def exp(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * gamma ** iteration"""
    return param.base_lr * _power(param.gamma, iteration), current_step


def inv(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * (1 + gamma * iteration) ** -power"""
    base = np.float32(1) + np.float32(param.gamma) * np.float32(iteration)
    return np.float32(param.base_lr) * np.float32(_power(base, -param.power)), current_step


def multistep(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * gamma ** current_step, which goes up by one when the iteration has reached stepvalue[current_step]"""
    if current_step < len(param.stepvalue) and iteration >= param.stepvalue[current_step]:
        current_step += 1
    return param.base_lr * _power(param.gamma, current_step), current_step


def poly(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * (1 - iteration / max_iter) ** power"""
    left = np.float32(1) - np.float32(iteration) / np.float32(param.max_iter)
    return np.float32(param.base_lr) * np.float32(_power(left, param.power)), current_step


def sigmoid(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr / (1 + exp(-gamma * (iteration - stepsize)))"""
    before = np.float32(param.stepsize) - np.float32(iteration)
    falling = np.float32(np.exp(np.float64(np.float32(param.gamma) * before)))
    return np.float32(param.base_lr) * (np.float32(1) / (np.float32(1) + falling)), current_step


def _power(base: Any, exponent: float) -> Any:
    return np.power(np.float64(base), np.float64(exponent))


POLICIES: dict[str, Callable[[Any, int, int], Rate]] = {
    "fixed": fixed,
    "step": step,
    "exp": exp,
    "inv": inv,
    "multistep": multistep,
    "poly": poly,
    "sigmoid": sigmoid,
}
_NEED_STEPSIZE = ("step", "sigmoid")
_NEED_GAMMA = ("step", "exp", "inv", "multistep", "sigmoid")

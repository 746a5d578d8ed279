"""Caffe's learning rate policies: (SolverParameter, iteration, current step) -> (rate, current step).

Computed in the precision that Caffe computes them in, so that rates agree to the last bit: powers
of gamma in float64, the rest in float32, its powers and exponentials rounded from float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_pylayers.runtime.registry import Registry

Rate = tuple[Any, int]

POLICIES: Registry[Any] = Registry("lr_policy")
register = POLICIES.register


def learning_rate(param: Any, iteration: int, current_step: int) -> tuple[float, int]:
    """The rate of an iteration and the step that the policies ``step`` and ``multistep`` are in.

    Raises ValueError for an unknown policy, for parameters that Caffe refuses, and for a rate
    that is not finite.
    """
    policy = POLICIES.get(param.lr_policy)
    with np.errstate(all="ignore"):
        rate, current_step = policy(param, iteration, current_step)
    rate = float(np.float32(rate))
    if not math.isfinite(rate):
        raise ValueError(f"lr_policy {param.lr_policy} gives a rate of {rate} at iteration {iteration}")
    return rate, current_step


@register("fixed")
def fixed(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr"""
    return param.base_lr, current_step


@register("step")
def step(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * gamma ** floor(iteration / stepsize)"""
    _need_positive_stepsize(param)
    current_step = iteration // param.stepsize
    return param.base_lr * _power_of_gamma(param, current_step), current_step


@register("exp")
def exp(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * gamma ** iteration"""
    return param.base_lr * _power_of_gamma(param, iteration), current_step


@register("inv")
def inv(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * (1 + gamma * iteration) ** -power"""
    _need_gamma(param)
    base = np.float32(1) + np.float32(param.gamma) * np.float32(iteration)
    return np.float32(param.base_lr) * np.float32(_power(base, -param.power)), current_step


@register("multistep")
def multistep(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * gamma ** current_step, which goes up by one when the iteration has reached stepvalue[current_step]"""
    if current_step < len(param.stepvalue) and iteration >= param.stepvalue[current_step]:
        current_step += 1
    return param.base_lr * _power_of_gamma(param, current_step), current_step


@register("poly")
def poly(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr * (1 - iteration / max_iter) ** power"""
    left = np.float32(1) - np.float32(iteration) / np.float32(param.max_iter)
    return np.float32(param.base_lr) * np.float32(_power(left, param.power)), current_step


@register("sigmoid")
def sigmoid(param: Any, iteration: int, current_step: int) -> Rate:
    """base_lr / (1 + exp(-gamma * (iteration - stepsize)))"""
    _need_gamma(param)
    _need_positive_stepsize(param)
    before = np.float32(param.stepsize) - np.float32(iteration)
    falling = np.float32(np.exp(np.float64(np.float32(param.gamma) * before)))
    return np.float32(param.base_lr) * (np.float32(1) / (np.float32(1) + falling)), current_step


def _power_of_gamma(param: Any, exponent: int) -> Any:
    _need_gamma(param)
    return _power(param.gamma, exponent)


def _power(base: Any, exponent: float) -> Any:
    return np.power(np.float64(base), np.float64(exponent))


def _need_gamma(param: Any) -> None:
    if not param.gamma >= 0:
        raise ValueError(f"lr_policy {param.lr_policy}: gamma must be at least 0, got {param.gamma:g}")


def _need_positive_stepsize(param: Any) -> None:
    if param.stepsize <= 0:
        raise ValueError(f"lr_policy {param.lr_policy}: stepsize must be positive, got {param.stepsize}")

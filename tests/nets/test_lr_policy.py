"""Rates worked out by hand; those of real Caffe are in tests/parity/test_solvers.py."""

import numpy as np
import pytest
from google.protobuf import text_format

from caffe_pylayers import _engine
from caffe_pylayers._nets.lr_policy import learning_rate


def param(text):
    return text_format.Parse(text, _engine.messages().SolverParameter())


@pytest.mark.parametrize(
    ("text", "iteration", "expected"),
    [
        ('lr_policy: "fixed"', 7, 0.1),
        ('lr_policy: "step" gamma: 0.5 stepsize: 10', 9, 0.1),
        ('lr_policy: "step" gamma: 0.5 stepsize: 10', 30, 0.1 / 8),
        ('lr_policy: "exp" gamma: 0.5', 3, 0.1 / 8),
        ('lr_policy: "inv" gamma: 1 power: 2', 3, 0.1 / 16),
        ('lr_policy: "poly" power: 2 max_iter: 4', 3, 0.1 / 16),
        ('lr_policy: "poly" power: 2 max_iter: 4', 4, 0),
        ('lr_policy: "sigmoid" gamma: -0 stepsize: 5', 9, 0.05),
        ('lr_policy: "sigmoid" gamma: 1 stepsize: 5', 5, 0.05),
        ('lr_policy: "sigmoid" gamma: 1000 stepsize: 5', 1, 0),
    ],
)
def test_rate(text, iteration, expected):
    rate, step = learning_rate(param(f"base_lr: 0.1 {text}"), iteration, 0)
    assert rate == pytest.approx(expected, rel=1e-6)
    assert step == (3 if "stepsize: 10" in text and iteration == 30 else 0)


def test_multistep_goes_one_step_at_a_time():
    policy = param('base_lr: 1 lr_policy: "multistep" gamma: 0.5 stepvalue: 3 stepvalue: 3 stepvalue: 6')
    step, rates = 0, []
    for iteration in range(8):
        rate, step = learning_rate(policy, iteration, step)
        rates.append(rate)
    assert rates == [1, 1, 1, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert step == 3


def test_a_rate_is_a_float32():
    rate, _ = learning_rate(param('base_lr: 0.1 lr_policy: "inv" gamma: 0.1 power: 0.7'), 5, 0)
    assert rate == np.float32(rate)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('lr_policy: "stp"', r'lr_policy must be one of fixed, step, .*, sigmoid; is "stp" \(did you mean "step"\?\)$'),
        ("base_lr: 1", 'lr_policy must be one of .*; is ""$'),
        ('lr_policy: "step" gamma: 0.5', 'lr_policy "step" needs a stepsize above 0; is 0'),
        ('lr_policy: "sigmoid" gamma: 0.5', 'lr_policy "sigmoid" needs a stepsize above 0; is 0'),
        ('lr_policy: "exp" gamma: -0.5', 'lr_policy "exp": gamma must be at least 0; is -0.5'),
        ('lr_policy: "inv" gamma: -0.5', 'lr_policy "inv": gamma must be at least 0; is -0.5'),
        ('lr_policy: "multistep" gamma: -0.5', 'lr_policy "multistep": gamma must be at least 0'),
        ('lr_policy: "sigmoid" gamma: -0.5 stepsize: 3', 'lr_policy "sigmoid": gamma must be at least 0'),
        ('lr_policy: "poly" power: 0.5 max_iter: 3', "lr_policy poly gives a rate of nan at iteration 5"),
    ],
)
def test_refuses(text, message):
    with pytest.raises(ValueError, match=message):
        learning_rate(param(f"base_lr: 1 {text}" if "base_lr" not in text else text), 5, 0)

"""Single steps of each rule, worked out by hand on one weight."""

import math

import numpy as np
import pytest

from caffe_pylayers.runtime.solvers import SOLVERS, get_solver
from caffe_pylayers.runtime.solvers.sgd import SMALLEST_FUSED_RATE
from tests.runtime.solvers.nets import NET

W, G, RATE = 0.5, 2.0, 0.1


def solver_of(kind, text=""):
    solver = get_solver(NET.solver(f'type: "{kind}" base_lr: {RATE} lr_policy: "fixed" {text}'))
    solver.net.learnable[0].data[...] = W
    return solver


def step(solver, gradient):
    """The update of the first weight."""
    blob = solver.net.learnable[0]
    blob.diff[...] = gradient
    before = blob.data.ravel()[0]
    solver.apply_update()
    assert np.allclose(blob.diff, before - blob.data, atol=1e-6)  # the gradient's array holds the update
    return float(blob.diff.ravel()[0])


def sgd(g1, g2):
    h = RATE * g1
    return h, 0.9 * h + RATE * g2


def nesterov(g1, g2):
    h1 = RATE * g1
    h2 = 0.9 * h1 + RATE * g2
    return 1.9 * h1, 1.9 * h2 - 0.9 * h1


def adagrad(g1, g2):
    return RATE * g1 / (abs(g1) + 0.01), RATE * g2 / (math.sqrt(g1**2 + g2**2) + 0.01)


def rmsprop(g1, g2):
    h1 = 0.2 * g1**2
    h2 = 0.8 * h1 + 0.2 * g2**2
    return RATE * g1 / (math.sqrt(h1) + 0.01), RATE * g2 / (math.sqrt(h2) + 0.01)


def adadelta(g1, g2):
    a = 0.1 * g1**2
    u1 = g1 * math.sqrt(0.01 / (a + 0.01))
    a, b = 0.9 * a + 0.1 * g2**2, 0.1 * u1**2
    return RATE * u1, RATE * g2 * math.sqrt((b + 0.01) / (a + 0.01))


def adam(g1, g2):
    m1, v1 = 0.1 * g1, 0.2 * g1**2
    m2, v2 = 0.9 * m1 + 0.1 * g2, 0.8 * v1 + 0.2 * g2**2
    return (
        RATE * math.sqrt(1 - 0.8) / (1 - 0.9) * m1 / (math.sqrt(v1) + 0.01),
        RATE * math.sqrt(1 - 0.8**2) / (1 - 0.9**2) * m2 / (math.sqrt(v2) + 0.01),
    )


RULES = {
    "SGD": (sgd, "momentum: 0.9"),
    "Nesterov": (nesterov, "momentum: 0.9"),
    "AdaGrad": (adagrad, "delta: 0.01"),
    "RMSProp": (rmsprop, "delta: 0.01 rms_decay: 0.8"),
    "AdaDelta": (adadelta, "delta: 0.01 momentum: 0.9"),
    "Adam": (adam, "delta: 0.01 momentum: 0.9 momentum2: 0.8"),
}


def test_every_type_is_here():
    assert sorted(RULES) == SOLVERS.names()


@pytest.mark.parametrize("kind", RULES)
def test_two_steps(kind):
    rule, text = RULES[kind]
    solver = solver_of(kind, text)
    assert solver.type == kind
    first, second = rule(2.0, -3.0)
    assert step(solver, 2.0) == pytest.approx(first, rel=1e-5)
    assert step(solver, -3.0) == pytest.approx(second, rel=1e-5)
    assert solver.iter == 2


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize(
    ("text", "gradient"),
    [
        ("weight_decay: 0.2", G + 0.2 * W),
        ('weight_decay: 0.2 regularization_type: "L1"', G + 0.2),
        ('weight_decay: 0 regularization_type: "L3"', G),
        ("iter_size: 4", G / 4),
        ("iter_size: 4 weight_decay: 0.2", G / 4 + 0.2 * W),
    ],
)
def test_gradients_are_normalized_then_regularized(momentum, text, gradient):
    solver = solver_of("SGD", f"momentum: {momentum} {text}")
    assert step(solver, G) == pytest.approx(RATE * gradient, rel=1e-5)


def test_clipping_comes_before_normalization_and_counts_all_gradients():
    solver = solver_of("SGD", "clip_gradients: 2.5 iter_size: 2")
    weight, bias = solver.net.learnable
    bias.diff[...] = 0
    bias.diff[0] = 3
    count = weight.count
    assert step(solver, 4 / math.sqrt(count)) == pytest.approx(RATE * 4 / math.sqrt(count) / 2 / 2, rel=1e-5)
    assert bias.diff[0] == pytest.approx(RATE * 3 / 2 / 2, rel=1e-5)


@pytest.mark.parametrize("text", ["clip_gradients: 1e9", "clip_gradients: -1"])
def test_gradients_within_the_limit_stay(text):
    assert step(solver_of("SGD", text), G) == pytest.approx(RATE * G)


@pytest.mark.parametrize("text", ["", "weight_decay: 0.3"])
def test_rates_of_each_blob(text):
    solver = get_solver(
        NET.solver(
            f'type: "SGD" base_lr: 1 lr_policy: "fixed" momentum: 0.9 {text}',
            params="param { lr_mult: 3 decay_mult: 2 } param { lr_mult: 0 }",
        )
    )
    weight, bias = solver.net.learnable
    weight.data[...], weight.diff[...], bias.data[...], bias.diff[...] = 1, 1, 1, 1
    solver.apply_update()
    np.testing.assert_allclose(weight.data, 1 - 3 * (1 + (0.6 if text else 0)), rtol=1e-5)
    np.testing.assert_array_equal(bias.data, 1)


def test_fused_sgd_is_the_plain_rule():
    """Around the rate from which the fused kernel is used, both do the same."""
    updates = []
    for rate in (SMALLEST_FUSED_RATE * 0.999, SMALLEST_FUSED_RATE * 1.001):
        solver = solver_of("SGD", "momentum: 0.9 weight_decay: 0.1")
        solver.param.base_lr = rate
        updates.append([step_only(solver, g) / rate for g in (G, -1.0, 0.5)])
    np.testing.assert_allclose(*updates, rtol=1e-5)


def step_only(solver, gradient):
    blob = solver.net.learnable[0]
    blob.diff[...] = gradient
    solver.apply_update()
    return float(blob.diff.ravel()[0])


def test_unknown_regularization_changes_nothing():
    solver = solver_of("SGD", 'weight_decay: 0.1 regularization_type: "L3"')
    with pytest.raises(ValueError, match='regularization_type must be L1 or L2; is "L3"'):
        solver.apply_update()
    assert solver.iter == 0
    assert (solver.net.learnable[0].data == W).all()


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("AdaGrad", "momentum: 0.9", r"AdaGrad takes no momentum; drop it \(is 0.9\)"),
        ("RMSProp", "momentum: 0.9", r"RMSProp takes no momentum; drop it \(is 0.9\)"),
        ("RMSProp", "rms_decay: 1", r"rms_decay must be in \[0, 1\); is 1"),
        ("RMSProp", "rms_decay: -0.1", r"rms_decay must be in \[0, 1\); is -0.1"),
        ("Adam", "momentum: 1", "momentum must not be 1 with Adam"),
        ("Adam", "momentum: -1", "momentum must not be -1 with Adam"),
        ("Adam", "momentum2: 1.5", r"momentum2 must be in \[0, 1\] with Adam, .*; is 1.5"),
        ("Adam", "momentum2: -0.5", r"momentum2 must be in \[0, 1\] with Adam, .*; is -0.5"),
        ("AdaDelta", "momentum: 2", r"momentum must be in \[0, 1\] with AdaDelta, .*; is 2"),
        ("AdaDelta", "delta: -1", "delta must be at least 0 with AdaDelta, .*; is -1"),
        ("SGD", "momentum: nan", "SolverParameter: momentum must be a finite number; is nan"),
        ("Nesterov", "weight_decay: inf", "weight_decay must be a finite number; is inf"),
    ],
)
def test_refuses(kind, text, message):
    with pytest.raises(ValueError, match=message):
        solver_of(kind, text)


def test_base_lr_of_the_param_counts_from_the_next_step_on():
    solver = solver_of("SGD")
    solver.param.base_lr = 0.5
    assert step(solver, G) == pytest.approx(1.0)


def test_powers_of_adams_momentum_that_overflow():
    """After 1,100 iterations 2^t is beyond float64: infinite, as in C++."""
    solver = solver_of("Adam", "momentum: 2")
    solver.resume(1100, 0)
    assert step(solver, G) == 0

"""HingeLoss, MultinomialLogisticLoss."""

import numpy as np

from tests.parity.case import TEST, Case, integers, normal, uniform

FLAT = [normal(6, 5), integers(6, high=5)]
MAPS = [normal(2, 3, 2, 2), integers(2, high=12)]
PROB = uniform(6, 5, low=0.05)
ZEROS = np.array([[0, 1], [1e-30, 1], [1e-10, 0], [-1, 2]], np.float32)


def hinge(param, bottoms, **rest):
    return Case("HingeLoss", param, bottoms, down=rest.pop("down", [0]), loss_weight=3.7, **rest)


def multinomial(bottoms, **rest):
    return Case("MultinomialLogisticLoss", "", bottoms, down=rest.pop("down", [0]), loss_weight=3.7, **rest)


CASES = [
    hinge("", FLAT),
    hinge("hinge_loss_param { norm: L1 }", FLAT),
    hinge("hinge_loss_param { norm: L2 }", FLAT),
    hinge("hinge_loss_param { norm: L2 }", FLAT, phase=TEST),
    hinge("hinge_loss_param { norm: L2 }", FLAT, down=[]),
    hinge("", MAPS),
    hinge("hinge_loss_param { norm: L2 }", MAPS),
    hinge("", [FLAT[0], integers(6, 1, high=5)]),
    hinge("hinge_loss_param { norm: L2 }", [FLAT[0], integers(6, 3, high=5)]),
    hinge("", [FLAT[0], FLAT[1] + np.float32(0.7)]),
    hinge("", [normal(5), np.zeros(5, np.float32)]),
    hinge("", [np.array([[1, -1, 0.5], [-1, 1, 2]], np.float32), np.array([0, 1], np.float32)]),
    Case("HingeLoss", "", FLAT, tops=0, down=[0]),
    multinomial([PROB, FLAT[1]]),
    multinomial([PROB, FLAT[1]], phase=TEST),
    multinomial([PROB, FLAT[1]], down=[]),
    multinomial([PROB, FLAT[1].reshape(6, 1, 1, 1)]),
    multinomial([PROB, FLAT[1] + np.float32(0.7)]),
    multinomial([uniform(2, 3, 2, 2, low=0.05), integers(2, high=12)]),
    multinomial([uniform(5, low=0.05), np.zeros(5, np.float32)]),
    multinomial([ZEROS, np.zeros(4, np.float32)]),
    Case("MultinomialLogisticLoss", "", [PROB, FLAT[1]], tops=0, down=[0]),
]

"""LSTMUnit."""

import numpy as np

from tests.parity.case import TEST, Case, normal, uniform

STEP = [normal(1, 3, 4), normal(1, 3, 16, seed=1), np.array([[1, 0, 1]], np.float32)]


def case(bottoms=STEP, down=(0, 1), **rest):
    return Case("LSTMUnit", "", bottoms, tops=2, down=down, **rest)


CASES = [
    case(),
    case(phase=TEST),
    case(down=[0]),
    case(down=[1]),
    case(down=[]),
    case([*STEP[:2], uniform(1, 3)]),
    case([normal(1, 1, 1), normal(1, 1, 4), np.ones((1, 1), np.float32)]),
    case([normal(1, 2, 3), normal(1, 2, 12, scale=50), np.ones((1, 2), np.float32)]),
    case(loss_weight=3.7),
    case(in_place=True),
]

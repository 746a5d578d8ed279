"""LSTM, RNN."""

import numpy as np

from tests.parity.case import TEST, Case, normal, uniform

FILLERS = 'weight_filler { type: "uniform" min: -0.6 max: 0.6 } bias_filler { type: "uniform" min: -0.3 max: 0.3 }'
X, STATIC = normal(5, 3, 4), normal(3, 2, seed=1)
CONT = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]], np.float32)
H, C = normal(1, 3, 6, seed=2), normal(1, 3, 6, seed=3)


def case(kind, bottoms=(X, CONT), extra="", outputs=6, down=(0,), **rest):
    param = f"recurrent_param {{ num_output: {outputs} {FILLERS} {extra} }}"
    return Case(kind, param, list(bottoms), down=down, **rest)


def cases(kind, states):
    exposed = {"extra": "expose_hidden: true", "tops": 1 + len(states)}
    return [
        case(kind),
        case(kind, phase=TEST),
        case(kind, down=()),
        case(kind, extra="debug_info: false"),
        case(kind, loss_weight=3.7),
        case(kind, outputs=1),
        case(kind, [X, np.ones_like(CONT)]),
        case(kind, [X, np.zeros_like(CONT)]),
        case(kind, [X, uniform(5, 3, low=-1, seed=4)]),
        case(kind, [X[:1], CONT[1:2]]),
        case(kind, [X[:, :1], CONT[:, :1]]),
        case(kind, [normal(3, 2, 2, 1, 3), CONT[:3, :2]]),
        case(kind, [4 * X, CONT]),
        case(kind, [X, CONT, STATIC], down=(0, 2)),
        case(kind, [X, CONT, STATIC], down=(0,)),
        case(kind, [X, CONT, STATIC], down=(2,)),
        case(kind, [X, CONT, normal(3, 2, 2, seed=1)], down=(0, 2)),
        case(kind, [X, CONT + (CONT == 0), *states], **exposed),
        case(kind, [X, CONT, *states], phase=TEST, **exposed),
        case(kind, [X, CONT + (CONT == 0), STATIC, *states], **{**exposed, "down": (0, 2)}),
        Case(kind, "recurrent_param { num_output: 6 }", [X, CONT], down=[0]),
    ]


CASES = cases("LSTM", [H, C]) + cases("RNN", [H])

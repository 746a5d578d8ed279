"""ReLU, ELU, Sigmoid, TanH, BNLL, Swish: values on both sides of 0, at 0, and far from it."""

import numpy as np

from tests.parity.case import TEST, Case, normal

FAR = np.array([[-90, -60, -20.5, -20, -1e-3, -1e-30, 0], [90, 60, 20.5, 20, 1e-3, 1e-30, 1]], np.float32)
PARAMS = {
    "ReLU": [
        "",
        *(f"relu_param {{ negative_slope: {slope} }}" for slope in (0.1, 1, -0.5, 2)),
        "relu_param { engine: CAFFE }",
    ],
    "ELU": ["", *(f"elu_param {{ alpha: {alpha} }}" for alpha in (0.3, 2, 0, -0.5))],
    "Sigmoid": ["", "sigmoid_param { engine: CAFFE }"],
    "TanH": ["", "tanh_param { engine: CAFFE }"],
    "BNLL": [""],
    "Swish": ["", *(f"swish_param {{ beta: {beta} }}" for beta in (0.5, 3, 0, -1))],
}

CASES = [
    *[
        Case(kind, param, [normal(2, 3, 4, 5)], in_place=in_place)
        for kind, params in PARAMS.items()
        for param in params
        for in_place in (False, True)
    ],
    *[Case(kind, "", [FAR]) for kind in PARAMS],
    *[Case("ReLU", f"relu_param {{ negative_slope: {slope} }}", [FAR], exact=True) for slope in (0, 0.25)],
    *[Case(kind, "", [normal(*shape)]) for kind in PARAMS for shape in [(), (7,), (2, 1, 3, 1, 2)]],
    *[Case(kind, "", [normal(3, 4)], phase=TEST) for kind in PARAMS],
    *[Case(kind, "", [normal(2, 3)], loss_weight=3.7) for kind in PARAMS],
]

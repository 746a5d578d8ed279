"""Softmax."""

import numpy as np

from tests.parity.case import TEST, Case, normal

CASES = [
    Case("Softmax", "", [normal(4, 5)]),
    Case("Softmax", "", [normal(2, 3, 4, 5)]),
    Case("Softmax", "softmax_param { axis: 0 }", [normal(3, 4)]),
    Case("Softmax", "softmax_param { axis: 2 engine: CAFFE }", [normal(2, 3, 4, 5)]),
    Case("Softmax", "softmax_param { axis: -1 }", [normal(2, 3, 4, 5)]),
    Case("Softmax", "softmax_param { axis: -3 }", [normal(2, 3, 4, 5)], phase=TEST),
    Case("Softmax", "softmax_param { axis: 3 }", [normal(2, 1, 3, 4, 2)]),
    Case("Softmax", "softmax_param { axis: 0 }", [normal(6)]),
    Case("Softmax", "", [normal(3, 1, 2, 2)]),
    Case("Softmax", "", [normal(4, 7, scale=40)]),
    Case("Softmax", "", [np.array([[1e30, 0, -1e30], [200, 100, -200]], np.float32)]),
    Case("Softmax", "", [normal(4, 5)], in_place=True),
    Case("Softmax", "", [normal(2, 3, 4, 5)], in_place=True),
    Case("Softmax", "", [normal(4, 5)], loss_weight=3.7),
    Case("Softmax", "", [normal(4, 5)], down=[]),
]

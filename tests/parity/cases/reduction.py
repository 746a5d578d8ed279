"""Reduction."""

import numpy as np

from tests.parity.case import TEST, Case, normal

X = normal(2, 3, 4, 5)
OPERATIONS = ["SUM", "ASUM", "SUMSQ", "MEAN"]


def reduction(param, x=X, **facts):
    return Case("Reduction", f"reduction_param {{ {param} }}", [x], **facts)


CASES = [
    reduction(""),
    *[
        reduction(f"operation: {operation} axis: {axis} {coeff}")
        for operation in OPERATIONS
        for axis in (0, 1, 2, 3, -1, -3)
        for coeff in ("", "coeff: -2.5")
    ],
    *[
        reduction(f"operation: {operation} axis: 1", normal(*shape))
        for operation in OPERATIONS
        for shape in [(3, 1), (1, 7), (2, 1, 3, 1, 2), (3, 300)]
    ],
    *[reduction(f"operation: {operation}", normal(9)) for operation in OPERATIONS],
    *[reduction(f"operation: {operation}", np.zeros((2, 3), np.float32)) for operation in OPERATIONS],
    *[reduction(f"operation: {operation} coeff: 0") for operation in OPERATIONS],
    *[reduction(f"operation: {operation}", loss_weight=3.7) for operation in OPERATIONS],
    *[reduction(f"operation: {operation} axis: 1", phase=TEST) for operation in OPERATIONS],
]

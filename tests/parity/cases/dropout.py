"""Dropout without chance: in the TEST phase, and at the ratios 0 and 1."""

from tests.parity.case import TEST, TRAIN, Case, normal


def dropout(ratio, x, **facts):
    return Case("Dropout", f"dropout_param {{ dropout_ratio: {ratio} }}", [x], exact=True, **facts)


CASES = [
    *[dropout(ratio, normal(2, 3, 4, 5), phase=TEST) for ratio in (0, 0.3, 1)],
    *[dropout(ratio, normal(2, 3, 4, 5), phase=TRAIN) for ratio in (0, 1)],
    *[dropout(0.3, normal(4, 5), phase=TEST, in_place=True), dropout(0, normal(4, 5), phase=TRAIN, in_place=True)],
    *[dropout(0.3, normal(*shape), phase=TEST) for shape in [(), (7,), (2, 1, 3, 1, 2)]],
    Case("Dropout", "", [normal(3, 4)], phase=TEST, exact=True),
    dropout(0, normal(3, 4), phase=TRAIN, loss_weight=3.7),
]

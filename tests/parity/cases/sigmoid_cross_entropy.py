"""SigmoidCrossEntropyLoss."""

import numpy as np

from tests.parity.case import TEST, Case, integers, normal, uniform

FLAT = [normal(4, 6), integers(4, 6, high=2)]
MAPS = [normal(2, 3, 4, 5), uniform(2, 3, 4, 5)]
SIGNS = [normal(4, 6), integers(4, 6, high=3) - 1]  # -1, 0 and 1


def case(param, bottoms, loss_weight=3.7, **rest):
    return Case("SigmoidCrossEntropyLoss", param, bottoms, down=[0], loss_weight=loss_weight, **rest)


CASES = [
    case("", FLAT),
    case("", FLAT, loss_weight=None),
    case("", FLAT, phase=TEST),
    Case("SigmoidCrossEntropyLoss", "", FLAT, tops=0, down=[0]),
    case("", MAPS),
    case("", [MAPS[0], uniform(2, 60)]),
    case("", [normal(5), integers(5, high=2)]),
    case("", [normal(2, 1, 3, 2, 2), integers(2, 1, 3, 2, 2, high=2)]),
    *[case(f"loss_param {{ normalization: {mode} }}", MAPS) for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")],
    *[
        case(f"loss_param {{ ignore_label: -1 normalization: {mode} }}", SIGNS)
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ],
    case("loss_param { normalize: true }", MAPS),
    case("loss_param { normalize: false }", MAPS),
    case("loss_param { ignore_label: 0 normalize: true }", MAPS),  # all of them: cut to integers they are 0
    case("loss_param { ignore_label: -1 }", SIGNS),
    case("loss_param { ignore_label: 1 normalize: true }", [normal(3, 4), np.ones((3, 4), np.float32)]),
    case("", [normal(4, 6, scale=60), FLAT[1]]),
    case("", [np.zeros((2, 3), np.float32), integers(2, 3, high=2)]),
    case("", [np.array([[1e3, -1e3, 0]], np.float32), np.array([[0, 1, 0.5]], np.float32)]),
]

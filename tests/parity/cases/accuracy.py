"""Accuracy."""

import numpy as np

from tests.parity.case import TEST, TRAIN, Case, integers, normal

FLAT = [normal(12, 5), integers(12, high=5)]
MAPS = [normal(3, 4, 3, 5), integers(3, 1, 3, 5, high=4)]
TIES = [integers(12, 5, high=3, seed=1), integers(12, high=5)]
MISSING = [FLAT[0], integers(12, high=3)]


def case(param, bottoms, tops=1, phase=TEST):
    return Case("Accuracy", param, bottoms, tops=tops, phase=phase, down=[])


CASES = [
    case("", FLAT),
    case("", FLAT, phase=TRAIN),
    case("", FLAT, tops=2),
    *[case(f"accuracy_param {{ top_k: {k} }}", FLAT, tops=2) for k in (1, 2, 3, 4, 5)],
    case("", TIES, tops=2),
    case("accuracy_param { top_k: 2 }", TIES, tops=2),
    case("accuracy_param { top_k: 4 }", TIES, tops=2),
    case("", [np.zeros((4, 3), np.float32), integers(4, high=3)]),
    case("", MAPS, tops=2),
    case("accuracy_param { top_k: 2 }", [MAPS[0], integers(3, 15, high=4)], tops=2),
    case("accuracy_param { axis: 0 }", [normal(4, 3), integers(3, high=4)], tops=2),
    case("accuracy_param { axis: -1 top_k: 2 }", [normal(3, 2, 4), integers(3, 2, high=4)], tops=2),
    case("accuracy_param { axis: -2 }", [normal(3, 4, 2), integers(3, 2, high=4)]),
    case("accuracy_param { axis: 3 }", [normal(3, 2, 2, 4, 2), integers(3, 2, 2, 2, high=4)], tops=2),
    case("accuracy_param { ignore_label: 3 }", MAPS, tops=2),
    case("accuracy_param { ignore_label: 255 }", [FLAT[0], np.array([0, 255, 4] * 4, np.float32)], tops=2),
    case("accuracy_param { ignore_label: -1 top_k: 2 }", [FLAT[0], np.array([0, -1, 4] * 4, np.float32)], tops=2),
    case("accuracy_param { ignore_label: 2 }", [FLAT[0], np.full(12, 2, np.float32)], tops=2),
    case("", MISSING, tops=2),
    case("", [FLAT[0], FLAT[1] + np.float32(0.6)]),
]

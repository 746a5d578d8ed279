"""SoftmaxWithLoss."""

import numpy as np

from tests.parity.case import TEST, Case, integers, normal

FLAT = [normal(6, 5), integers(6, high=5)]
MAPS = [normal(2, 4, 3, 5), integers(2, 1, 3, 5, high=4)]
IGNORED = [normal(2, 4, 3, 5), np.full((2, 3, 5), 3, np.float32)]


def case(param, bottoms, loss_weight=3.7, **rest):
    return Case("SoftmaxWithLoss", param, bottoms, down=[0], loss_weight=loss_weight, **rest)


CASES = [
    case("", FLAT),
    case("", FLAT, loss_weight=None),
    case("", FLAT, phase=TEST),
    case("loss_weight: -0.5", FLAT, loss_weight=None),
    Case("SoftmaxWithLoss", "", FLAT, tops=0, down=[0]),
    Case("SoftmaxWithLoss", "loss_weight: 3.7", FLAT, down=[]),
    case("", MAPS),
    case("", [normal(2, 4, 3, 5), integers(2, 3, 5, high=4)]),
    case("", [normal(2, 4, 3, 5), integers(2, 15, high=4)]),
    case("", [normal(2, 1, 3), np.zeros((2, 3), np.float32)]),
    case("softmax_param { axis: 0 }", [normal(3, 3, 2), integers(3, 2, high=3)]),
    case("softmax_param { axis: 2 }", [normal(2, 3, 4, 5), integers(2, 3, 5, high=4)]),
    case("softmax_param { axis: -1 }", [normal(2, 3, 4), integers(2, 3, high=4)]),
    case("softmax_param { axis: -2 engine: CAFFE }", [normal(2, 3, 4), integers(2, 3 * 4 // 3, high=3)]),
    case("", [normal(2, 3, 1, 2, 2), integers(2, 1, 2, 2, high=3)]),
    *[case(f"loss_param {{ normalization: {mode} }}", MAPS) for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")],
    *[
        case(f"loss_param {{ ignore_label: 3 normalization: {mode} }}", MAPS)
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ],
    case("loss_param { normalize: true }", MAPS),
    case("loss_param { normalize: false }", MAPS),
    case("loss_param { normalize: false normalization: NONE }", MAPS),
    case("loss_param { ignore_label: 3 }", MAPS),
    case("loss_param { ignore_label: 3 }", IGNORED),
    case("loss_param { ignore_label: 255 }", [FLAT[0], np.array([0, 255, 1, 255, 255, 4], np.float32)]),
    case("loss_param { ignore_label: -1 normalize: true }", [FLAT[0], np.array([0, -1, 1, 2, -1, 4], np.float32)]),
    case("", [FLAT[0], np.array([0.9, 1.5, -0.9, 2.2, 4.99, 3], np.float32)]),
    case("", [normal(6, 5, scale=100), FLAT[1]]),
    case("", [np.array([[500, 0, -500], [0, 90, 0]], np.float32), np.array([2, 0], np.float32)]),
    case("", [np.array([[30, 0, 0], [0, 90, 0]], np.float32), np.array([0, 1], np.float32)]),
    case("loss_param { normalization: BATCH_SIZE }", [normal(1, 4), integers(1, high=4)]),
]

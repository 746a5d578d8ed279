"""InfogainLoss."""

import numpy as np

from tests.parity.case import TEST, Case, integers, normal, uniform

H = uniform(4, 4, low=-0.5, seed=5)
FLAT = [normal(6, 4), integers(6, high=4)]
MAPS = [normal(2, 4, 3, 5), integers(2, 1, 3, 5, high=4)]
FILE = 'infogain_loss_param { source: "tests/parity/files/infogain.binaryproto" }'  # 4 * 4, uniform
IGNORED = [MAPS[0], np.full((2, 3, 5), 3, np.float32)]


def case(param, bottoms, loss_weight=3.7, **rest):
    return Case("InfogainLoss", param, bottoms, down=rest.pop("down", [0]), loss_weight=loss_weight, **rest)


CASES = [
    case("", [*FLAT, H]),
    case("", [*FLAT, H], loss_weight=None),
    case("", [*FLAT, H], phase=TEST),
    case("", [*FLAT, H], down=[]),
    Case("InfogainLoss", FILE, FLAT, tops=0, down=[0]),
    case("", [*FLAT, np.eye(4, dtype=np.float32)]),
    case("", [*FLAT, H.reshape(1, 1, 4, 4)]),
    case("", [*MAPS, H]),
    case(FILE, FLAT),
    case(FILE, MAPS),
    case("loss_weight: 3.7 loss_weight: 0", [*MAPS, H], None, tops=2),
    case("loss_weight: 3.7 loss_weight: 0.5", [*FLAT, H], None, tops=2),
    case("infogain_loss_param { axis: 0 }", [normal(3, 3, 2), integers(3, 2, high=3), uniform(3, 3)]),
    case("infogain_loss_param { axis: -1 }", [normal(2, 3, 4), integers(2, 3, high=4), H]),
    case("infogain_loss_param { axis: 2 }", [normal(2, 3, 4, 5), integers(2, 3, 5, high=4), H]),
    case("infogain_loss_param { axis: 2 } softmax_param { axis: 0 }", [normal(2, 3, 4), integers(2, 3, high=4), H]),
    *[case(f"loss_param {{ normalization: {mode} }}", [*MAPS, H]) for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")],
    *[
        case(f"loss_param {{ ignore_label: 3 normalization: {mode} }}", [*MAPS, H])
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ],
    case("loss_param { ignore_label: 3 }", [*IGNORED, H]),
    case("loss_param { ignore_label: 3 }" + FILE, IGNORED),
    case("", [normal(6, 4, scale=100), FLAT[1], H]),
    case("", [np.array([[500, 0, -500]], np.float32), np.array([1.9], np.float32), uniform(3, 3)]),
]

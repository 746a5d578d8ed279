import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(16)
maps = rng.permutation(120).reshape(2, 3, 4, 5) / 60.0 - 1  # no ties
away = maps + 0.004  # from the kink at 0
tall = np.array([[1e4, -1e4, 0.5, -0.5]])

CASES = {
    "NegReLU": [
        case([away]),
        case([away], "{negative_slope: 0.1}"),
        case([away[:1, :1]], "{negative_slope: -2}", exhaustive=True),
        case([tall]),
        case([away[:0]]),
    ],
    "NegSquare": [
        case([maps]),
        case([maps[:1, :1]], exhaustive=True),
        case([tall], gradient_atol=1e-2),
        case([maps[:0]]),
    ],
    "ExpMax": [
        case([maps], "{scale: 2}", exhaustive=True),
        case([maps], "{shift: 0.5}"),
        case([maps[:, :, 0, 0]], "{scale: -1}"),
        case([maps], "{legacy_gradient: true}", wrt=[]),
        case([maps * 0 + 1], wrt=[]),
        case([maps * 1e4]),
        case([maps[:, :1]]),
        case([maps[:0]]),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
rows, targets = rng.standard_normal((2, 6, 4)) * 2
maps, target_maps = rng.standard_normal((2, 3, 4, 2, 5)) * 2
holes = np.where(rng.rand(3, 4, 2, 5) < 0.3, -1.0, target_maps)
nothing = np.full((6, 4), 9.0)
far = np.where(targets > 0, 1e4, -1e4)
mask = (rng.rand(3, 1, 2, 5) < 0.6).astype(float)
zero = np.zeros((6, 4))

# What every one of them takes.
PAIR = [
    case([rows, targets], exhaustive=True),
    case([maps, target_maps, rng.rand(3, 1, 2, 5)], '{"normalization": "full"}'),
    case([maps, target_maps.reshape(3, -1), mask], '{"normalization": "valid"}', wrt=[0, 1]),
    case([maps, holes, rng.rand(3)], '{"normalization": "valid", "ignore_value": -1, "ignore_nan": true}', wrt=[0, 2]),
    case([rows, nothing], '{"normalization": "valid", "ignore_value": 9}', wrt=[0]),
    case([rows[:1, :1], targets[:1, :1], np.ones(1)], '{"normalization": "none"}'),
    case([rows[:, 0], targets[:, 0]], '{"ignore_nan": true}'),
    case([np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0)], '{"normalization": "valid"}', other_bottoms=()),
    case([zero, far], gradient_rtol=1e-3),
    case([zero, zero], wrt=[]),
]

quantiles = '{"quantiles": [0.1, 0.5, 0.75, 0.9], "normalization": "%s"}'

CASES = {
    "L1Loss": PAIR,
    "L2Loss": PAIR,
    "SmoothL1Loss": [
        *PAIR[:1],
        *PAIR[4:],
        case([maps, target_maps, mask], '{"sigma": 3, "normalization": "places"}', tops=2),
        case([rows, targets], '{"normalization": "pre_fixed", "pre_fixed_normalizer": 128}', tops=2, exhaustive=True),
        case([maps, target_maps, rng.rand(3, 4, 2, 5), rng.rand(3, 4, 2, 5)], '{"sigma": 3}', exhaustive=True),
        case([maps, holes, rng.rand(3), rng.rand(3, 1, 1, 5)], '{"ignore_value": -1, "sigma": 0.5}', wrt=[0, 2, 3]),
        case([rows, targets, rng.rand(6, 1), rng.rand(6)], '{"normalization": "valid"}', exhaustive=True),
    ],
    "HuberLoss": [*PAIR, case([rows, targets], '{"delta": 0.3}'), case([maps, target_maps], '{"delta": 2}')],
    "QuantileLoss": [
        *PAIR,
        case([rows, targets], '{"quantiles": [0.3]}'),
        case([rows, targets[:, 0]], quantiles % "batch", exhaustive=True),
        case([maps, target_maps[:, 0], rng.rand(3, 1, 2, 5)], quantiles % "full"),
        case([maps, holes[:, :1], rng.rand(3)], quantiles[:-1] % "valid" + ', "ignore_value": -1}', wrt=[0, 2]),
        case([np.moveaxis(maps, 1, -1), target_maps[:, 0]], '{"quantiles": [0.1, 0.2, 0.3, 0.4], "axis": -1}'),
    ],
}

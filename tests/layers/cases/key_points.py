import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
points = rng.uniform(0, 5, (2, 3, 2))
seen = np.concatenate([points, [[[2], [0], [1]], [[0], [0], [0]]]], 2)
maps = rng.standard_normal((2, 3, 4, 5))

CASES = {
    "HeatMaps": [
        case([points, maps], exhaustive=True),
        case([points], '{"size": [3, 4], "sigma": 0.7, "stride": 2}', exhaustive=True),
        case([seen, maps], tops=2, wrt=[]),
        case([seen.reshape(2, 9)], '{"size": [3, 4], "values_per_point": 3}', wrt=[]),
        case([points.reshape(2, 6, 1, 1)], '{"size": [3, 4], "values_per_point": 2}'),
        case([1e4 * points, maps]),
        case([points[:1, :1]], '{"size": [1, 1]}', tops=2, wrt=[0]),
        case([np.zeros((0, 3, 2))], '{"size": [3, 4]}'),
    ],
    "SoftArgmax": [
        case([maps], exhaustive=True),
        case([maps], '{"temperature": 0.3, "stride": 4}'),
        case([maps], '{"normalized": true}', exhaustive=True),
        case([maps[:, :, :1, :1]], '{"normalized": true}'),
        case([1e4 * maps]),
        case([np.full((2, 1, 3, 3), -1e4)], gradient_atol=1e-5),
        case([np.zeros((0, 3, 4, 5))]),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
theta = rng.standard_normal((3, 6))
maps, grid = rng.standard_normal((3, 2, 4, 5)), rng.uniform(-1.3, 1.3, (3, 2, 3, 2))

CASES = {
    "AffineGrid": [
        case([theta, maps], exhaustive=True),
        case([theta.reshape(3, 2, 3)], '{"size": [3, 2]}'),
        case([theta.reshape(3, 6, 1, 1)], '{"size": [3, 2], "align_corners": true}', exhaustive=True),
        case([theta, maps[:, :, :1, :1]], "align_corners: true"),
        case([theta[:1]], '{"size": [1, 1]}'),
        case([np.zeros((0, 6))], '{"size": [3, 2]}'),
    ],
    "GridSample": [
        case([maps, grid], exhaustive=True),
        case([maps, grid], '{"align_corners": true}', exhaustive=True),
        case([maps, grid], '{"padding": "border"}', exhaustive=True),
        case([maps, grid], '{"padding": "border", "align_corners": true}'),
        case([maps, 1e4 * grid], '{"padding": "border"}'),
        case([maps, 1e12 * grid]),
        case([maps[:, :, :1, :1], grid]),
        case([maps[:1, :1], grid[:1, :1, :1]]),
        case([np.zeros((0, 2, 3, 3)), np.zeros((0, 2, 2, 2))]),
        case([maps, np.zeros((3, 0, 2, 2))], wrt=[0], other_bottoms=[maps, grid]),
    ],
    "SpatialTransformer": [
        case([maps, theta], exhaustive=True),
        case([maps, theta.reshape(3, 2, 3)], "{height: 3, width: 6}"),
        case([maps, theta[:, :2]], "{fixed: {1: 0, 3: 0.1, 0: 1, 4: 0.9}}", exhaustive=True),
        case([maps, theta], "map_gradient: false", wrt=[1]),
        case([maps[:, :, :1, :1], theta]),
        case([maps[:1, :1], theta[:1]]),
        case([maps, 1e4 * theta]),
        case([maps[:0], theta[:0]]),
    ],
}

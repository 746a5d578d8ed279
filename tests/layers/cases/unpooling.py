import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
maps = rng.standard_normal((2, 3, 2, 3))


def mask(shape, places):
    """Positions, each once in its map."""
    return np.array([rng.permutation(places)[: shape[2] * shape[3]] for _ in range(shape[0] * shape[1])]).reshape(shape)


CASES = {
    "MaxUnpool": [
        case([maps, mask(maps.shape, 24)], wrt=[0], exhaustive=True),
        case([maps, mask(maps.shape, 15)], '{"pad_out_h": true, "pad_out_w": true}', wrt=[0]),
        case([maps, mask(maps.shape, 36)], '{"zoom_factor": [3, 2]}', wrt=[0]),
        case([maps, mask(maps.shape, 35)], '{"size": [5, 7]}', wrt=[0]),
        case([maps, mask(maps.shape, 20), rng.rand(1, 1, 4, 5)], wrt=[0]),
        case([maps, rng.randint(0, 4, maps.shape)], wrt=[0], exhaustive=True),
        case([maps, mask(maps.shape, 24)], '{"legacy_gradient": true}', wrt=[0]),
        case([maps, rng.randint(0, 4, maps.shape)], '{"legacy_gradient": true}', wrt=[]),
        case([maps[0], mask(maps.shape, 24)[0]], wrt=[0]),
        case([np.full((1, 1, 1, 1), 1e4), np.full((1, 1, 1, 1), 3)], wrt=[]),
        case([np.zeros((0, 3, 2, 3)), np.zeros((0, 3, 2, 3))], wrt=[]),
    ]
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
scores, targets = rng.standard_normal((2, 6, 4))
maps, target_maps = rng.standard_normal((2, 3, 4, 2, 5))

CASES = {
    "EuclideanLossLayer": [
        case([scores, targets], exhaustive=True),
        case([maps, target_maps]),
        case([maps, target_maps.reshape(3, -1)], '{"normalization": "full"}'),
        case([scores, targets], '{"normalization": "valid"}'),
        case([scores, targets, rng.rand(6)], '{"normalization": "none"}', exhaustive=True),
        case([maps, target_maps, rng.rand(3, 1, 2, 5)], '{"normalization": "valid"}'),
        case([maps, target_maps, rng.rand(3, 4, 2, 5)]),
        case([maps, target_maps, rng.rand(3, 1)]),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
rows, targets = rng.standard_normal((2, 6, 4))
maps, target_maps = rng.standard_normal((2, 3, 3, 2, 5))
mask = rng.rand(3, 1, 2, 5) < 0.6
some = target_maps * (rng.rand(3, 1, 2, 5) < 0.6)

DIRECTIONS = [
    case([rows, targets], exhaustive=True),
    case([maps, target_maps, rng.rand(3, 1, 2, 5)], '{"normalization": "full"}', exhaustive=True),
    case([maps, target_maps, rng.rand(3)], '{"normalization": "none"}'),
    case([maps, target_maps, mask], '{"normalization": "valid"}'),
    case([np.moveaxis(maps, 1, -1), np.moveaxis(target_maps, 1, -1)], '{"axis": -1}'),
    case([maps, some], '{"ignore_zeros": true, "normalization": "valid"}', wrt=[0]),
    case([maps, some, np.ones(3)], wrt=[0, 2]),
    case([maps * 0, target_maps], wrt=[1]),
    case([maps, maps * 0], '{"ignore_zeros": true, "normalization": "valid"}', wrt=[0]),
    case([rows * 1e4, targets * 1e4], gradient_atol=1e-10),
    case([rows[:1], targets[:1]]),
    case([np.zeros((0, 3)), np.zeros((0, 3))], other_bottoms=()),
]

CASES = {
    "CosineLoss": [*DIRECTIONS, case([np.eye(3), np.eye(3) * 2])],
    "AngularLoss": [*DIRECTIONS, case([np.eye(3), np.eye(3) * 2], wrt=[]), case([np.eye(3), -np.eye(3)], wrt=[])],
}

import numpy as np

from tests.layers.case import case
from tests.layers.cases.noise import TEST, maps, random, rng, rows

codes = np.eye(4)[rng.randint(0, 4, 3)]

CASES = {
    "Cutout": [
        random([maps], "hole_size: 2"),
        random([maps], "{'hole_size': 1, 'holes': 3, 'fill_value': -1.5, 'seed': 2}", dtype=np.float32),
        random([np.zeros((0, 3, 2, 2))], "hole_size: 1"),
        random([np.zeros((2, 3, 4, 0))], "hole_size: 1"),
        case([maps], "hole_size: 20"),  # the holes are all there is
        case([maps], "hole_size: 2", phase=TEST),
    ],
    "Mixup": [
        random([maps, codes], tops=2),
        random([maps, codes], "{'per_sample': true, 'alpha': 1, 'seed': 4}", tops=2),
        random([rows], "alpha: 3", dtype=np.float32),
        random([np.zeros((0, 2)), np.zeros((0, 3))], tops=2),
        random([np.ones((4, 3)), np.ones((4, 2))], tops=2),
        random([rows[:1]]),  # with itself
        case([maps, codes], tops=2, phase=TEST),
    ],
}

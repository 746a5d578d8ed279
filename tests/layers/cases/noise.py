import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
maps = rng.standard_normal((3, 4, 2, 5))
rows = rng.standard_normal((6, 4))
TEST = 1


def random(bottoms, param_str="", **options):
    return case(bottoms, param_str, repeatable=False, **options)


DROPOUT = [
    random([maps]),
    random([rows], "dropout_ratio: 0.3", dtype=np.float32),
    random([rows[:1]], "{'dropout_ratio': 0.2, 'scale_train': false, 'seed': 3}"),
    random([np.zeros((0, 4, 2))]),
    case([maps], "dropout_ratio: 0"),
    case([maps], "dropout_ratio: 1"),
    case([1e4 * maps], phase=TEST),
]

CASES = {
    "SpatialDropout": DROPOUT,
    "DropPath": [*DROPOUT, random([rows[:, 0]])],
    "AlphaDropout": [
        random([maps]),
        random([rows], "dropout_ratio: 0.3", dtype=np.float32),
        random([rows[:1]], "{'dropout_ratio': 0.5, 'alpha': -1, 'seed': 3}"),
        random([np.zeros((0, 4, 2))]),
        case([maps], "dropout_ratio: 0"),
        case([maps], "dropout_ratio: 1"),
        case([1e4 * maps], phase=TEST),
    ],
    "GaussianNoise": [
        random([maps]),
        random([rows], "stddev: 2", dtype=np.float32),
        random([rows], "{'multiply': true, 'stddev': 0.3, 'seed': 5}"),
        random([np.zeros((0, 4))], "multiply: true"),
        case([rows[0]], "stddev: 0"),
        case([rows], "{'multiply': true, 'stddev': 0}"),
        case([maps], phase=TEST),
        case([maps], "multiply: true", phase=TEST),
    ],
}

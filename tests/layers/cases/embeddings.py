import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(3)
rows = rng.standard_normal((5, 4))
maps = rng.standard_normal((3, 4, 2, 5))
with_zeros = rows.copy()
with_zeros[2] = 0


def normal(*shape):
    return rng.standard_normal(shape)


CASES = {
    "L2Normalize": [
        case([rows], exhaustive=True),
        case([maps]),
        case([maps], '{"axis": -1}'),
        case([maps], '{"across_spatial": true}'),
        case([maps], '{"axis": 2, "across_spatial": true}'),
        case([rows[:1]]),
        case([rows[:, :1]]),
        case([with_zeros], wrt=[]),
        case([with_zeros], '{"eps": 10.0}', exhaustive=True),
        case([1e4 * rows]),
        case([np.zeros((0, 4))], wrt=[]),
    ],
    "LpNormalize": [
        case([rows], exhaustive=True),
        case([maps], tops=2),
        case([maps], "{p: 1}", tops=2, kink=0),
        case([maps], "{p: 1, eps: 0.1}"),
        case([maps], "{bp_norm: false, fix_gradient: true}", tops=2, wrt=[]),
        case([rows[:1, :1]], "eps: 1.0"),
        case([with_zeros], wrt=[]),
        case([1e4 * rows]),
        case([np.zeros((0, 4))], wrt=[]),
    ],
    "ChannelScale": [
        case([normal(3, 4), normal(3)], exhaustive=True),
        case([normal(2, 3, 2, 4), normal(2, 1, 2, 4)], exhaustive=True),
        case([normal(2, 3, 4), normal(2, 4)]),
        case([normal(3, 4, 1, 1), normal(3, 1, 1, 1)], "do_backward_scale: false", wrt=[0]),
        case([normal(3, 4), normal(3)], "do_backward_feature: false", wrt=[1]),
        case([normal(3, 4), normal(3)], "do_forward: false", wrt=[]),
        case([normal(1, 1), normal(1, 1)]),
        case([np.zeros((0, 4)), np.zeros((0,))]),
    ],
}

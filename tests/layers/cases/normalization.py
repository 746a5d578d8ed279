import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
rows = rng.standard_normal((6, 4)) * 3 + 1
maps = rng.standard_normal((3, 4, 2, 5)) * 3 + 1
sequences = rng.standard_normal((3, 2, 4))
flat = np.full((2, 4, 2, 2), 4.0)  # less its mean it is 0, however the library goes about it
far = maps * 1e4

CASES = {
    "GroupNorm": [
        case([maps], '{"groups": 2}', exhaustive=True),
        case([rng.standard_normal((6, 8)) + 1], '{"groups": 2, "eps": 0.001}'),
        case([maps], '{"groups": 2, "affine": false}'),
        case([far], '{"groups": 1}', step=1),
        case([maps], '{"groups": 4}', phase=1),
        case([maps * 2], '{"groups": 1, "eps": 1}'),
        case([flat], '{"groups": 2}', wrt=[]),
        case([np.zeros((0, 4, 2, 2))], '{"groups": 2}', other_bottoms=()),
    ],
    "InstanceNorm": [
        case([maps], exhaustive=True),
        case([maps[:, :, 1]]),
        case([maps], '{"affine": false}'),
        case([far], '{"affine": false}', step=1),
        case([rng.standard_normal((1, 4, 3, 3, 2))], '{"eps": 0.1}'),
        case([flat], wrt=[]),
        case([2 ** np.round(rows)], gradient_atol=1e-5),
        case([np.zeros((0, 4, 2, 2))], other_bottoms=()),
    ],
    "LayerNorm": [
        case([rows], exhaustive=True),
        case([maps]),
        case([maps], '{"affine": false, "eps": 0.01}'),
        case([sequences], '{"axis": -1}', exhaustive=True),
        case([sequences], '{"axis": 2, "affine": false}', phase=1),
        case([rows], '{"axis": 0}', other_bottoms=()),
        case([flat], wrt=[]),
        case([rows[:1]]),
        case([far], step=1),
        case([np.zeros((0, 4))], other_bottoms=()),
    ],
}

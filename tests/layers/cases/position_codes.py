import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
maps = rng.standard_normal((3, 8, 2, 5))

CASES = {
    "PositionalEncoding": [
        case([maps], exhaustive=True),
        case([maps[:, :, 0]]),
        case([np.moveaxis(maps, 1, -1)], "axis: -1"),
        case([maps[:, 0]], "{axis: 1, base: 100}"),
        case([np.moveaxis(maps[:, :, 0], 2, 0)], "{axis: -1, batch_axis: 1}"),
        case([maps], "added: false"),
        case([maps[:1, :2, 0, :1]]),
        case([np.zeros((0, 4, 2, 3))]),
    ],
}

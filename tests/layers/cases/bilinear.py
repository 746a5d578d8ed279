import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
a, b = rng.standard_normal((3, 4, 2, 3)), rng.standard_normal((3, 5, 2, 3))

CASES = {
    "BilinearPooling": [
        case([a, b], exhaustive=True),
        case([a], exhaustive=True),
        case([a], "mean_over_positions: true"),
        case([a, b], "mean_over_positions: true"),
        case([a[:, :, 0, 0], b[:, :, 0, 0]]),
        case([a[:1, :1, :1, :1]]),
        case([np.zeros((0, 2, 3))]),
        case([np.zeros((2, 3, 0))], "mean_over_positions: true"),
    ],
    "CompactBilinear": [
        case([a, b], "num_output: 7", exhaustive=True),
        case([a], "{num_output: 7, seed: 5}", exhaustive=True),
        case([a], "{num_output: 30, mean_over_positions: true}"),
        case([a, b], "{num_output: 1, mean_over_positions: true}"),
        case([a[:, :, 0, 0], b[:, :, 0, 0]], "num_output: 7"),
        case([np.zeros((0, 2, 3))], "num_output: 7"),
        case([np.zeros((2, 3, 0))], "num_output: 7"),
    ],
    "SignedSqrt": [
        case([a + np.sign(a)], exhaustive=True),
        case([a], "eps: 0.01", exhaustive=True),
        case([np.zeros((2, 3))], "eps: 1"),
        case([1e4 * a]),
        case([np.zeros((0, 3))]),
    ],
}

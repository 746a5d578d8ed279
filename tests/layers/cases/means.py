import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(15)
x = rng.uniform(-1, 1, (2, 3, 4, 5))

CASES = {
    # Without iterations: with them forward is another function of x while the mean is learned.
    "SubtractRunningMean": [
        case([x], "{mean: [1, 2, 3]}"),
        case([x], "{size: [2, 3]}"),
        case([x], "{size: [4, 5]}"),
        case([x[:, :, :1, :1]], "{size: [1, 1]}"),
        case([x]),
        case([x[:0]], "{iterations: 1}"),
    ],
    "AddMean": [
        case([x], "{mean: [1, 2, 3], mean_scale: -1}"),
        case([x], "{mean: [1], mean_scale: 2, input_scale: 3, output_scale: 0.5}"),
        case([x[:, :2, 0, 0]], "{mean: [1, 2]}", exhaustive=True),
        case([x[:0]], "{mean: [1]}"),
    ],
}

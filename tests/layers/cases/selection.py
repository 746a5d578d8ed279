import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
maps, scores = rng.standard_normal((3, 4, 2, 5)), rng.standard_normal((4, 3))
labels = np.array([0, -1, 2, 1])

CASES = {
    "SelectRows": [
        case([scores, labels], tops=2, exhaustive=True),
        case([scores, labels, rng.standard_normal((4, 2, 2))], tops=3),
        case([scores, labels.reshape(4, 1, 1, 1)], "ignore_label: 2", tops=2),
        case([scores, labels], "labels: [0, 2, -1]", tops=2),
        case([scores, labels], "labels: [7]", tops=2),
        case([scores, np.full(4, -1), rng.standard_normal(4)], tops=3),
        case([scores[:1], np.array([0])], tops=2),
        case([np.zeros((0, 3)), np.zeros((0,), int)], tops=2, other_bottoms=[scores, labels]),
    ],
    "Mask": [
        case([maps, rng.randint(0, 2, maps.shape)]),
        case([maps, rng.rand(3, 1, 2, 5)], exhaustive=True),
        case([maps, rng.rand(3)], "fill_value: -2.5", exhaustive=True),
        case([maps, rng.rand(1, 4)]),
        case([maps, rng.rand(*maps.shape)], "fill_value: 1e4", gradient_atol=1e-4),
        case([maps, np.zeros((3, 1))]),
        case([np.zeros((0, 2)), np.zeros(0)]),
    ],
    "ArgMaxLabels": [
        case([scores], wrt=[]),
        case([maps], "keepdims: true", wrt=[]),
        case([maps], "axis: -1", wrt=[]),
        case([maps], "{threshold: 0.8, ignore_label: 255}", wrt=[]),
        case([np.array([[1, 1], [0, 0]])], "axis: 0", wrt=[]),
        case([np.zeros((2, 1, 3))], wrt=[]),
        case([np.zeros((0, 3))], wrt=[]),
    ],
}

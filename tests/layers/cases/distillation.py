import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(15)
scores, teacher = 2 * rng.standard_normal((2, 6, 4))
maps, teacher_maps = 2 * rng.standard_normal((2, 3, 4, 2, 5))
far = np.array([[1e4, -1e4, 0], [-1e4, 9e3, 1e4]])


def softmax(x):
    p = np.exp(x)
    return p / p.sum(1, keepdims=True)


chances, chance_maps = softmax(teacher), softmax(teacher_maps)
weights = '"class_weights": [0.5, 2, 0, 1], "normalization": "weights"'

CASES = {
    "SoftTargetLoss": [
        case([scores, chances], exhaustive=True),
        case([scores, teacher], '{"targets": "scores", "temperature": 4}', exhaustive=True),
        case([maps, chance_maps], '{"temperature": 3, "temperature_squared": false, "normalization": "batch"}'),
        case([maps, teacher_maps, rng.rand(3)], f'{{"targets": "scores", "temperature": 0.5, {weights}}}'),
        case([maps, chance_maps, rng.rand(3, 1, 2, 5)], f"{{{weights}}}"),
        case([np.moveaxis(maps, 1, -1), np.moveaxis(chance_maps, 1, -1)], '{"axis": -1, "normalization": "full"}'),
        case([scores, np.zeros((6, 4)), np.zeros(6)], '{"normalization": "valid"}', wrt=[0, 1]),
        case([scores[:1, :1], chances[:1, :1]], '{"normalization": "none"}'),
        case([far, far[::-1]], '{"targets": "scores", "temperature": 2}', wrt=[0]),
        case([scores[:0], chances[:0]], wrt=[]),
    ],
    "KLDivergenceLoss": [
        case([scores, chances], exhaustive=True),
        case([scores, teacher], '{"targets": "scores", "normalization": "batch"}', exhaustive=True),
        case([softmax(teacher / 4), softmax(scores)], '{"predictions": "probabilities"}', exhaustive=True),
        case(
            [np.log(chances), np.log(softmax(scores))],
            '{"predictions": "log_probabilities", "targets": "log_probabilities"}',
        ),
        case([maps, chance_maps, rng.rand(3, 1, 2, 5)], '{"normalization": "weights"}'),
        case([maps, teacher_maps, rng.rand(3)], '{"targets": "scores", "normalization": "full"}'),
        case([np.moveaxis(maps, 1, -1), np.moveaxis(chance_maps, 1, -1)], '{"axis": -1, "normalization": "none"}'),
        case([[[0.0, 1], [0.5, 0.5]], [[0, 1], [1, 0]]], '{"predictions": "probabilities"}', wrt=[]),
        case([scores[:1, :1], chances[:1, :1]]),
        case([far, far[::-1]], '{"targets": "scores"}', wrt=[0]),
        case([scores[:0], chances[:0]], wrt=[]),
    ],
}

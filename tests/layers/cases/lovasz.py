import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
binary, masks = rng.standard_normal((3, 1, 2, 5)), rng.randint(0, 2, (3, 1, 2, 5))
scores, label_maps = rng.standard_normal((3, 4, 2, 5)), rng.randint(0, 3, (3, 1, 2, 5))
probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)

CASES = {
    "LovaszHingeLoss": [
        case([binary, masks], exhaustive=True),
        case([binary, masks[:, 0]], '{"per_image": false}', exhaustive=True),
        case([binary, np.where(masks, masks, 255)], '{"ignore_label": 255}'),
        case([binary, np.full((3, 1, 2, 5), 255)], '{"ignore_label": 255}', wrt=[0]),
        case([rng.standard_normal((5, 1)), rng.randint(0, 2, 5)], '{"per_image": false}'),
        case([1e4 * binary, masks], gradient_atol=1e-3),
        case([np.zeros((2, 1, 2, 2)), rng.randint(0, 2, (2, 1, 2, 2))], wrt=[]),
        case([binary, np.zeros((3, 1, 2, 5), int)]),
        case([np.zeros((0, 1, 2, 5)), np.zeros((0, 1, 2, 5), int)], wrt=[]),
        case([np.zeros((0, 1, 2, 5)), np.zeros((0, 2, 5), int)], '{"per_image": false}', wrt=[]),
    ],
    "LovaszSoftmaxLoss": [
        case([scores, label_maps], exhaustive=True),
        case([scores, label_maps], '{"per_image": false}', exhaustive=True),
        case([scores, label_maps[:, 0]], '{"classes": "all"}', exhaustive=True),
        case([probabilities, label_maps], '{"activation": "none", "exclude": [0]}', exhaustive=True),
        case([scores, label_maps], '{"activation": "sigmoid", "class_weights": [1, 0.5, 2, 0], "classes": "all"}'),
        case([scores, label_maps], '{"ignore_label": 2, "per_image": false}', exhaustive=True),
        case([scores, np.full((3, 1, 2, 5), 255)], '{"ignore_label": 255}', wrt=[0]),
        case([rng.standard_normal((5, 3)), rng.randint(0, 3, 5)]),
        case([1e4 * scores, label_maps], wrt=[]),
        case([np.zeros((2, 3, 2, 2)), rng.randint(0, 3, (2, 1, 2, 2))], wrt=[]),
        case([np.zeros((0, 4, 2, 5)), np.zeros((0, 1, 2, 5), int)], '{"classes": "all"}', wrt=[]),
        case([np.zeros((0, 4, 2, 5)), np.zeros((0, 2, 5), int)], '{"per_image": false}', wrt=[]),
    ],
}

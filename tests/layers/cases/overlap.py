import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
binary, masks = rng.standard_normal((3, 1, 2, 5)), rng.randint(0, 2, (3, 1, 2, 5))
scores, label_maps = rng.standard_normal((3, 4, 2, 5)), rng.randint(0, 4, (3, 1, 2, 5))
probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
soft = rng.uniform(0.1, 0.9, scores.shape)
weights = rng.uniform(0.5, 2, (3, 1, 2, 5))
SOFTMAX, SIGMOID = '"activation": "softmax"', '"activation": "sigmoid"'


def cases(*more):
    """What all losses of overlap take; more: their own."""
    return [
        case([binary, masks], f"{{{SIGMOID}}}", exhaustive=True),
        case([probabilities, label_maps], '{"smooth": 0.5}', exhaustive=True),
        case([scores, label_maps[:, 0], weights], f'{{{SOFTMAX}, "exclude": [0], "ignore_label": 2}}', wrt=[0, 2]),
        case([scores, soft, rng.rand(3)], f'{{{SIGMOID}, "per_image": false, "class_weights": [1, 2, 0, 0.5]}}'),
        case([probabilities, soft, weights[:1, :, :1]], '{"smooth": 0.01}', other_bottoms=()),
        case([1e4 * scores, label_maps], f"{{{SOFTMAX}}}", wrt=[]),
        case([-1e4 * binary, masks], f"{{{SIGMOID}}}", wrt=[]),
        case([scores, np.full((3, 1, 2, 5), 255), weights], f'{{{SOFTMAX}, "ignore_label": 255}}', wrt=[0]),
        case([np.zeros((2, 1, 2, 2)), np.zeros((2, 1, 2, 2), int)], wrt=[]),
        case([np.zeros((0, 4, 2, 5)), np.zeros((0, 1, 2, 5), int)], f"{{{SOFTMAX}}}", wrt=[]),
        case([rng.rand(5, 3), rng.randint(0, 3, 5)], '{"per_image": false}'),
        *more,
    ]


CASES = {
    "DiceLoss": cases(
        case([probabilities, soft, weights], '{"squared": true}', exhaustive=True),
        case([scores, label_maps, weights], f'{{"squared": true, {SOFTMAX}, "ignore_label": 1}}', wrt=[0, 2]),
        case([scores[:1], np.zeros((1, 1, 2, 5), int)], f'{{{SOFTMAX}, "classes": "present"}}'),
        case([scores, label_maps], f'{{{SOFTMAX}, "smooth": 1}}'),
    ),
    "TverskyLoss": cases(
        case([scores, label_maps], f'{{{SOFTMAX}, "alpha": 1, "beta": 0.2, "classes": "present"}}'),
        case([probabilities, soft, weights], '{"alpha": 0, "beta": 0}'),
    ),
    "FocalTverskyLoss": cases(
        case([scores, label_maps], f'{{{SOFTMAX}, "gamma": 1.5, "classes": "present"}}'),
        case([probabilities, soft, weights], '{"gamma": 0.5}'),
    ),
    "GeneralizedDiceLoss": cases(
        case([scores, label_maps], f'{{{SOFTMAX}, "power": 1, "squared": true}}'),
        case([probabilities, soft, 3 * weights], '{"power": 0.5, "per_image": false}', exhaustive=True),
    ),
}

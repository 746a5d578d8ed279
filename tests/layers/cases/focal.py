import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(12)
labels = rng.randint(0, 4, 6)
label_maps = rng.randint(0, 4, (3, 1, 2, 5))
scores = 2 * rng.standard_normal((6, 4))
maps = 2 * rng.standard_normal((3, 4, 2, 5))
targets = rng.randint(0, 2, (6, 4))
target_maps = rng.randint(0, 2, (3, 4, 2, 5))
soft = 0.1 + 0.8 * rng.rand(6, 4)
far = np.array([[1e4, -1e4, 0], [-1e4, 9e3, 1e4]])
weights = '"class_weights": [0.5, 2, 0, 1]'

CASES = {
    "SoftmaxFocalLoss": [
        case([scores, labels], exhaustive=True),
        case([maps, label_maps], '{"gamma": 0.5, "ignore_label": 2, "alpha": 0.25}'),
        case([scores, labels], '{"gamma": 1.5, "one_add_p": true}', exhaustive=True),
        case([maps, label_maps[:, 0], rng.rand(3, 1, 2, 5)], f'{{{weights}, "normalization": "weights"}}'),
        case([maps, label_maps, rng.rand(3)], '{"normalization": "positives", "background_label": 1}'),
        case([scores, labels.reshape(6, 1, 1, 1)], f'{{"gamma": 0, {weights}, "normalization": "batch"}}'),
        case([scores, labels], '{"gamma": 3.5, "normalization": "positives", "ignore_label": 1}', exhaustive=True),
        case([np.moveaxis(maps, 1, -1), label_maps[:, 0]], '{"axis": -1, "normalization": "full"}'),
        case([scores, np.full(6, -1)], '{"ignore_label": -1, "normalization": "positives"}'),
        case([scores[:1, :1], [0]], '{"gamma": 0.5, "normalization": "none"}'),
        case([far, [0, 0]], '{"gamma": 0.5}', wrt=[0]),
        case([scores[:0], labels[:0]], wrt=[]),
    ],
    "SigmoidFocalLoss": [
        case([scores, targets], exhaustive=True),
        case([scores, soft], '{"gamma": 1.5, "alpha": -1}', wrt=[0, 1], exhaustive=True),
        case([scores, soft, soft[:1]], f'{{{weights}, "gamma": 0.5, "alpha": 0.3}}', wrt=[0, 1, 2]),
        case([maps, target_maps], '{"normalization": "positives", "ignore_label": 0}'),
        case([maps, target_maps.reshape(3, -1), rng.rand(3, 1, 2, 5)], '{"gamma": 0.5, "normalization": "positives"}'),
        case([maps, target_maps, rng.rand(3)], f'{{{weights}, "normalization": "weights", "alpha": 0.75}}'),
        case([scores, targets], '{"gamma": 0, "normalization": "full"}'),
        case([scores, labels - 1], '{"targets": "classes", "ignore_label": -1, "normalization": "positives"}'),
        case([maps, label_maps[:, 0], rng.rand(3, 1, 2, 5)], '{"targets": "classes", "normalization": "weights"}'),
        case([np.moveaxis(maps, 1, -1), label_maps[:, 0]], '{"targets": "classes", "axis": -1, "ignore_label": 0}'),
        case([scores, np.full((6, 4), -1)], '{"ignore_label": -1, "normalization": "valid"}'),
        case([scores[:1, :1], [[1]]], '{"normalization": "none"}'),
        case([far, [[1, 0, 1], [1, 0, 0]]], '{"gamma": 0.5}', wrt=[0]),
        case([scores[:0], targets[:0]], '{"normalization": "positives"}', wrt=[]),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(11)
labels = rng.randint(0, 4, 6)
label_maps = rng.randint(0, 4, (3, 1, 2, 5))
scores = 2 * rng.standard_normal((6, 4))
maps = 2 * rng.standard_normal((3, 4, 2, 5))
targets = rng.randint(0, 2, (6, 4))
target_maps = rng.randint(0, 2, (3, 4, 2, 5))
far = np.array([[1e4, -1e4, 0], [-1e4, 9e3, 1e4]])
weights = '{"class_weights": [0.5, 2, 0, 1]%s}'

CASES = {
    "SoftmaxCrossEntropyLoss": [
        case([scores, labels], exhaustive=True),
        case([scores, labels.reshape(6, 1, 1, 1)], tops=3, exhaustive=True),
        case([maps, label_maps, rng.rand(3)], '{"ignore_label": 2}', tops=3),
        case([maps, label_maps[:, 0], rng.rand(3, 1, 2, 5)], weights % ', "normalization": "weights"'),
        case([maps, label_maps, rng.rand(3)], weights % ', "label_smoothing": 0.1, "normalization": "weights"'),
        case([np.moveaxis(maps, 1, -1), label_maps[:, 0], np.arange(3.0)], '{"axis": -1, "normalization": "batch"}'),
        case([scores, labels], '{"label_smoothing": 0.3, "normalization": "full"}', exhaustive=True),
        case([scores, labels, rng.rand(6, 1)], weights % ', "normalization": "none", "ignore_label": 1'),
        case([scores, np.full(6, 255)], '{"ignore_label": 255, "normalization": "weights"}'),
        case([scores[:1], labels[:1]], '{"label_smoothing": 0.1}'),
        case([scores[:, :1], 0 * labels]),
        case([np.zeros((6, 4)), labels], tops=2),
        case([far, [0, 0]], '{"label_smoothing": 0.1}', wrt=[0]),
        case([scores[:0], labels[:0]], wrt=[]),
        case([maps[..., :0], label_maps[..., :0]], '{"normalization": "weights"}', wrt=[]),
    ],
    "SigmoidCrossEntropyLoss": [
        case([scores, targets], exhaustive=True),
        case([scores, rng.rand(6, 4)], exhaustive=True),
        case([maps, target_maps.reshape(3, -1)], '{"normalization": "valid", "ignore_label": 1}'),
        case([maps, target_maps, rng.rand(3, 1, 2, 5)], '{"pos_weight": [3], "normalization": "weights"}'),
        case(
            [maps, rng.rand(3, 4, 2, 5), rng.rand(3)],
            weights % ', "pos_weight": [1, 2, 3, 0], "normalization": "valid"',
        ),
        case([scores, rng.rand(6, 4), rng.rand(6, 4)], weights % ', "normalization": "weights"', exhaustive=True),
        case([scores, targets, rng.rand(1, 4)], '{"normalization": "full", "pos_weight": [0.5]}'),
        case([scores[:, 0], targets[:, 0]], '{"normalization": "none"}'),
        case([maps, label_maps], weights % ', "targets": "classes", "ignore_label": 2, "pos_weight": [3]'),
        case([scores, np.full((6, 4), -1)], '{"ignore_label": -1, "normalization": "weights"}'),
        case([far, [[1, 0, 1], [1, 0, 0]]], '{"pos_weight": [2]}', wrt=[0]),
        case([maps, target_maps], '{"balanced": true}', wrt=[0], exhaustive=True),
        case(
            [maps, target_maps, rng.rand(3, 1, 2, 5) > 0.4],
            '{"balanced": true, "ignore_label": 1, "normalization": "weights"}',
            wrt=[0],
        ),
        case([scores, np.ones((6, 4))], '{"balanced": true}', wrt=[0]),
        case([scores[:0], targets[:0]], wrt=[]),
    ],
}

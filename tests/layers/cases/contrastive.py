import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(5)
a, b = rng.standard_normal((2, 6, 3)) / 2
maps = list(rng.standard_normal((2, 6, 2, 1, 2)) / 2)
same = np.array([1, 0, 0, 1, 0, 1])
labels = np.array([0, 1, 0, 2, 1, 1])

CASES = {
    "ContrastiveLoss": [
        case([a, b, same], exhaustive=True),
        case([a, b, same.reshape(6, 1)], '{"margin": 2.5, "normalization": "full"}'),
        case([a, b, same], '{"margin": 2.5, "legacy_version": true}', exhaustive=True),
        case([*maps, same.reshape(6, 1, 1, 1)], '{"margin": 2}'),
        case([a, b, np.where(same, 1, -1)], '{"ignore_label": -1, "normalization": "valid"}'),
        case([a, b, same * 0 + 7], '{"ignore_label": 7, "normalization": "valid"}'),
        case([a, b, same, rng.rand(6)], '{"margin": 2}', exhaustive=True),
        case([a, b, same, rng.rand(6)], '{"normalization": "weights"}'),
        case([a, a, same], '{"normalization": "none"}', wrt=[]),
        case([1e4 * a, 1e4 * b, same]),
        case([a[:1], b[:1], same[:1]]),
        case([a[:0], b[:0], same[:0]], wrt=[]),
    ],
    "LabelContrastiveLoss": [
        case([a, labels], exhaustive=True),
        case([a, labels.reshape(6, 1)], '{"margin": 2.5, "normalization": "batch"}'),
        case([a, labels], '{"margin": 2.5, "legacy_version": true}', exhaustive=True),
        case([maps[0], labels.reshape(6, 1, 1, 1)], '{"margin": 2, "normalization": "none"}'),
        case([a, labels], '{"ignore_label": 1, "normalization": "valid"}'),
        case([a, labels * 0], '{"ignore_label": 0, "normalization": "valid"}'),
        case([np.ones((6, 3)), labels], wrt=[]),
        case([1e4 * a, labels]),
        case([a[:1], labels[:1]]),
        case([a[:0], labels[:0]], wrt=[], other_bottoms=[a, labels]),
    ],
}

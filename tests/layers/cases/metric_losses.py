import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(6)
a, p = rng.standard_normal((2, 6, 3))
maps = list(rng.standard_normal((2, 6, 2, 1, 2)))
labels = np.array([0, 1, 0, 2, 1, 1])
pairs = np.array([0, 0, 1, 1, 2, 2])
other = {"other_bottoms": [np.concatenate([a, p]), np.arange(12) // 3]}

CASES = {
    "NPairLoss": [
        case([a, p], exhaustive=True),
        case([a, p, labels], '{"temperature": 0.2}', exhaustive=True),
        case([a, p, labels.reshape(6, 1)], '{"l2_weight": 0.1, "normalization": "none"}'),
        case([*maps, labels.reshape(6, 1, 1, 1)], '{"normalization": "full"}'),
        case([a, p, labels], '{"ignore_label": 1, "normalization": "valid"}'),
        case([a, p, labels * 0], '{"ignore_label": 0, "normalization": "valid"}'),
        case([np.ones((6, 3)), p, labels]),
        case([1e4 * a, p], wrt=[0], gradient_atol=1e-4),
        case([a[:1], p[:1]]),
        case([a[:0], p[:0]], wrt=[], other_bottoms=[a, p]),
    ],
    "LiftedStructureLoss": [
        case([a, labels], exhaustive=True),
        case([a, labels.reshape(6, 1)], '{"margin": 3.0, "normalization": "batch"}'),
        case([maps[0], labels.reshape(6, 1, 1, 1)], '{"normalization": "full"}'),
        case([a, labels], '{"ignore_label": 1, "normalization": "none"}'),
        case([a, labels], '{"ignore_label": 1, "normalization": "valid"}'),
        case([a, labels * 0]),
        case([a, np.arange(6)], other_bottoms=()),
        case([a, labels * 0], '{"ignore_label": 0}'),
        case([np.ones((6, 3)), labels], wrt=[]),
        case([1e4 * a, labels]),
        case([a[:1], labels[:1]]),
        case([a[:0], labels[:0]], wrt=[], other_bottoms=[a, labels]),
    ],
    "PairRankingLoss": [
        case([a, pairs], '{"neg_num": 4}', exhaustive=True, **other),
        case([a, pairs.reshape(6, 1)], '{"neg_num": 9, "margin": 4, "normalization": "batch"}', **other),
        case(
            [maps[0], pairs.reshape(6, 1, 1, 1)],
            '{"neg_num": 4, "margin": 2, "normalization": "none"}',
            other_bottoms=(),
        ),
        case([a, pairs], '{"neg_num": 2, "hard_ratio": 0.5, "margin": 9, "seed": 1}', repeatable=False, **other),
        case([a, labels], '{"pair_size": 3, "neg_num": 5, "margin": 3}', **other),
        case([a, pairs], '{"neg_num": 4, "ignore_label": 1, "margin": 3}', **other),
        case([a, pairs * 0], **other),
        case([np.ones((6, 3)), pairs], '{"neg_num": 4}', **other),
        case([1e4 * a, pairs], '{"neg_num": 4}', gradient_atol=1e-3, **other),
        case([a[:0], labels[:0]], wrt=[], other_bottoms=[a, labels]),
    ],
}

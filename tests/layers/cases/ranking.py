import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(17)
one, other = rng.standard_normal((2, 6))
one_maps, other_maps = rng.standard_normal((2, 3, 1, 2, 5))
signs, sign_maps = rng.choice([-1, 1], 6), rng.choice([-1, 0, 1], (3, 1, 2, 5))
lists, relevance = rng.standard_normal((2, 4, 5))
grades = rng.randint(-1, 3, (4, 5))
grades[2] = -1
far = 1e3 * rng.permutation(20).reshape(4, 5)

CASES = {
    "PairwiseRankingLoss": [
        case([one, other], '{"margin": 0.5}', exhaustive=True),
        case([one, other, signs], '{"method": "logistic"}', exhaustive=True),
        case([one_maps, other_maps, sign_maps.reshape(3, -1)], '{"margin": 1, "normalization": "valid"}'),
        case([one_maps, other_maps, sign_maps, rng.rand(3)], '{"normalization": "weights", "margin": 1}'),
        case(
            [one_maps, other_maps, sign_maps, rng.rand(3, 1, 2, 5)], '{"method": "logistic", "normalization": "full"}'
        ),
        case([one, other, 0 * signs], '{"normalization": "weights"}'),
        case([one[:1], other[:1], [1]], '{"margin": -0.1, "normalization": "none"}'),
        case([1e4 * one, 1e4 * other, signs], '{"method": "logistic", "normalization": "batch"}', wrt=[]),
        case([one, one], '{"margin": 0}', wrt=[]),
        case([one[:0], other[:0]], wrt=[]),
    ],
    "GroupRankingLoss": [
        case([one], '{"group_size": 3, "margin": 0.5}', exhaustive=True, other_bottoms=[one[:3]]),
        case([one], '{"group_size": 3, "margin": 0.5, "interleaved": true}', exhaustive=True, other_bottoms=[one[:3]]),
        case(
            [one[:, None], signs], '{"group_size": 2, "method": "logistic"}', other_bottoms=[one[:2, None], signs[:2]]
        ),
        case(
            [one.reshape(6, 1, 1, 1), [3, 1, 1, 0, 2, 5]],
            '{"group_size": 6, "method": "logistic", "margin": 1, "normalization": "full", "interleaved": true}',
            other_bottoms=(),
        ),
        case([one], '{"group_size": 6, "normalization": "batch", "margin": 1}', other_bottoms=()),
        case([one, [1] * 6], '{"group_size": 3, "normalization": "none"}', other_bottoms=()),
        case([one], '{"group_size": 1}'),
        case([1e4 * one], '{"group_size": 2, "method": "logistic"}', wrt=[], other_bottoms=()),
        case([one[:0]], '{"group_size": 2}', wrt=[], other_bottoms=()),
    ],
    "ListwiseRankingLoss": [
        case([lists, relevance], exhaustive=True),
        case([lists, grades], '{"ignore_label": -1, "normalization": "batch"}', exhaustive=True),
        case([lists, relevance, rng.rand(4)], '{"normalization": "weights"}'),
        case([lists, relevance], '{"method": "listmle"}', exhaustive=True),
        case([lists, grades, rng.rand(4, 1)], '{"method": "listmle", "ignore_label": -1, "normalization": "weights"}'),
        case([lists, grades], '{"method": "listmle", "ignore_label": -1, "normalization": "none"}'),
        case([lists[:1, :1], [[2]]], '{"normalization": "full"}'),
        case([far, grades], '{"method": "listmle"}', wrt=[]),
        case([far / 10, grades], wrt=[]),
        case([lists[:0], relevance[:0]], wrt=[]),
    ],
}

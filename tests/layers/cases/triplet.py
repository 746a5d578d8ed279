import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(4)
anchors, positives, negatives = rng.standard_normal((3, 6, 4))
map_triplets = list(rng.standard_normal((3, 4, 3, 2, 2)))
features = rng.standard_normal((8, 3))
maps = rng.standard_normal((8, 2, 2, 1))
labels = np.array([0, 1, 0, 2, 1, 1, 0, 3])
triplets = [anchors, positives, negatives]
STRATEGIES = ("all", "hard", "semi_hard", "only_semi_hard", "batch_hard")
EUCLIDEAN = '{"strategy": "%s", "distance": "euclidean", "normalization": "active"}'

CASES = {
    "TripletLoss": [
        case(triplets, exhaustive=True),
        case(triplets, '{"margin": 1.5, "normalization": "active"}'),
        case(triplets, '{"distance": "euclidean", "normalization": "none"}', exhaustive=True),
        case(triplets, '{"distance": "euclidean", "soft_margin": true, "normalization": "full"}'),
        case(triplets, '{"soft_margin": true}'),
        case([*triplets, rng.rand(6)], '{"margin": 2, "half": true}', exhaustive=True),
        case([*triplets, np.array([[1.0], [0], [0], [2], [0], [1]])], '{"normalization": "valid"}', wrt=[0, 1, 2]),
        case([*triplets, rng.rand(6)], '{"normalization": "weights"}'),
        case([*triplets, np.zeros((6, 1, 1, 1))], '{"normalization": "active"}', wrt=[0, 1, 2]),
        case(map_triplets, '{"margin": 3}'),
        case([anchors, anchors, anchors], '{"margin": 3, "distance": "euclidean"}', wrt=[]),
        case([1e4 * x for x in triplets], '{"soft_margin": true}', gradient_rtol=1e-4),
        case([x[:0] for x in triplets], wrt=[]),
    ],
    "TripletSelection": [
        *(case([features, labels], f'{{"strategy": "{strategy}"}}', tops=3) for strategy in STRATEGIES),
        case([features, labels], tops=4),
        case([features, labels.reshape(8, 1, 1, 1)], '{"strategy": "all", "margin": 0.5}', tops=4),
        case([maps, labels], '{"strategy": "all", "margin": 0.5, "distance": "euclidean", "ignore_label": 1}', tops=4),
        case([features, np.zeros(8, int)], tops=4),
        case([features, np.arange(8)], '{"strategy": "batch_hard"}', tops=3, other_bottoms=()),
        case([features, labels * 0 + 9], '{"strategy": "hard", "ignore_label": 9}', tops=4),
        case([features[:1], labels[:1]], '{"strategy": "all"}', tops=4),
        case([features[:0], labels[:0]], tops=4, wrt=[], other_bottoms=[features, labels]),
    ],
    "BatchTripletLoss": [
        *(case([features, labels], f'{{"strategy": "{strategy}", "margin": 2}}') for strategy in STRATEGIES),
        *(
            case(
                [features, labels], f'{{"strategy": "{strategy}", "distance": "euclidean", "normalization": "active"}}'
            )
            for strategy in STRATEGIES
        ),
        case([features, labels.reshape(8, 1)], '{"soft_margin": true, "distance": "euclidean"}', exhaustive=True),
        case([maps, labels.reshape(8, 1, 1, 1)], '{"strategy": "semi_hard", "soft_margin": true}'),
        case([maps, labels], '{"strategy": "all", "ignore_label": 1, "normalization": "none", "margin": 1}'),
        case([features, labels], '{"normalization": "batch", "margin": 5}'),
        case([features, np.zeros(8, int)]),
        case([features, np.arange(8)], '{"strategy": "all"}', other_bottoms=()),
        case([features, labels * 0 + 9], '{"strategy": "semi_hard", "ignore_label": 9}'),
        case([np.ones((8, 3)), labels], '{"strategy": "all", "distance": "euclidean"}', wrt=[]),
        case([np.ones((8, 3)), labels], '{"distance": "euclidean"}', wrt=[]),
        case([1e4 * features, labels], '{"soft_margin": true, "distance": "euclidean"}'),
        case([features[:1], labels[:1]], '{"strategy": "semi_hard"}'),
        case([features[:0], labels[:0]], '{"strategy": "all"}', wrt=[], other_bottoms=[features, labels]),
    ],
}

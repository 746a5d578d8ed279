import numpy as np

from tests.layers.case import case

TEST = 1
rng = np.random.RandomState(11)
x = rng.standard_normal((9, 3))
maps = rng.standard_normal((9, 2, 1, 2))
labels = np.array([0, 1, 0, 3, 1, 1, 0, 5, 3])
distances = rng.rand(9)
same = np.array([1, 0, 0, 1, 1, 1, 0, 0, 1])


def metric(bottoms, param_str="", **options):
    """The second forward of a pass reports another share of it."""
    return case(bottoms, param_str, wrt=[], **options)


CASES = {
    "RecallAtK": [
        metric([x, labels]),
        metric([x, labels.reshape(9, 1)], '{"k": [1, 2, 4, 20]}'),
        metric([maps, labels.reshape(9, 1, 1, 1)], '{"k": [2], "distance": "cosine"}'),
        metric([x, labels], '{"k": [1, 2], "ignore_label": 1}'),
        metric([x, labels * 0], '{"ignore_label": 0}', phase=TEST),
        metric([x, np.arange(9)], phase=TEST, repeatable=False),
        metric([x, labels], '{"k": [3, 1]}', phase=TEST, repeatable=False),
        metric([np.ones((9, 3)), labels], '{"k": [1, 8]}'),
        metric([1e4 * x, labels], '{"k": [1, 3]}'),
        metric([0 * x, labels], '{"distance": "cosine"}'),
        metric([x[:0], labels[:0]], other_bottoms=(), phase=TEST),
    ],
    "Verification": [
        metric([distances, same], tops=4),
        metric([distances, same]),
        metric([distances.reshape(9, 1, 1, 1), same.reshape(9, 1)], '{"far": [0, 0.25, 0.5, 1]}', tops=3),
        metric([-distances, same], '{"score": "similarity", "far": [0.3]}', tops=4),
        metric([np.round(distances, 1), same], '{"far": [0.3]}', tops=4),
        metric([distances, np.where(same, 1, 7)], '{"ignore_label": 7}', tops=2, phase=TEST),
        metric([distances, same], '{"far": [0.1, 0.4]}', tops=4, phase=TEST, repeatable=False),
        metric([0 * distances, same], tops=4),
        metric([1e4 * distances, same], tops=2),
        metric([distances[:0], same[:0]], tops=4, other_bottoms=(), phase=TEST),
    ],
}

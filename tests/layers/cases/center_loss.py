import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(9)
x = rng.standard_normal((6, 3))
maps = rng.standard_normal((6, 2, 1, 2))
labels = np.array([0, 1, 0, 3, 1, 1])


def centers(bottoms, param_str, **options):
    """The centres' diff is an update of their own, no gradient."""
    return case(bottoms, param_str, learned=[], **options)


CASES = {
    "CenterLoss": [
        centers([x, labels], '{"num_classes": 4}', exhaustive=True),
        centers([x, labels.reshape(6, 1)], '{"num_classes": 5, "filler": "constant", "normalization": "full"}'),
        centers([maps, labels.reshape(6, 1, 1, 1)], '{"num_classes": 4, "normalization": "none"}'),
        centers([x, labels], '{"num_classes": 4, "ignore_label": 1, "normalization": "valid"}'),
        centers([x, labels * 0 + 9], '{"num_classes": 4, "ignore_label": 9, "normalization": "valid"}'),
        centers([x, labels * 0], '{"num_classes": 1, "filler": "uniform", "filler_value": 0.1, "seed": 2}'),
        centers([1e4 * x, labels], '{"num_classes": 4}'),
        centers([0 * x, labels], '{"num_classes": 4, "filler": "constant", "filler_value": 0.5}'),
        centers([x[:1], labels[:1]], '{"num_classes": 4}'),
        centers([x[:0], labels[:0]], '{"num_classes": 4}', wrt=[], other_bottoms=[x, labels]),
    ],
}

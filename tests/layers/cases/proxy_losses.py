import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(8)
x = rng.standard_normal((6, 3))
maps = rng.standard_normal((6, 2, 1, 2))
labels = np.array([0, 1, 0, 3, 1, 1])


def cases(extra):
    return [
        case([x, labels], f'{{"num_classes": 4{extra}}}', exhaustive=True),
        case([x, labels.reshape(6, 1)], f'{{"num_classes": 5, "filler": "gaussian", "seed": 3{extra}}}'),
        case([x, labels], f'{{"num_classes": 4, "filler": "uniform", "scale": 3{extra}}}'),
        case([maps, labels.reshape(6, 1, 1, 1)], f'{{"num_classes": 4, "filler": "msra", "filler_value": 2{extra}}}'),
        case([x, labels], f'{{"num_classes": 4, "ignore_label": 1{extra}}}'),
        case([x, labels * 0 + 9], f'{{"num_classes": 4, "ignore_label": 9{extra}}}'),
        case([x, labels * 0], f'{{"num_classes": 1{extra}}}'),
        case([1e4 * x, labels], f'{{"num_classes": 4{extra}}}', gradient_atol=1e-6),
        case([0 * x, labels], f'{{"num_classes": 4{extra}}}', wrt=[]),
        case([x[:1], labels[:1]], f'{{"num_classes": 4{extra}}}'),
        case([x[:0], labels[:0]], f'{{"num_classes": 4{extra}}}', wrt=[], other_bottoms=[x, labels]),
    ]


CASES = {
    "ProxyNCALoss": [
        *cases(""),
        *cases(', "positive_in_sum": true, "normalization": "valid"')[:7],
        *(case([x, labels], f'{{"num_classes": 4, "normalization": "{how}"}}') for how in ("full", "none")),
    ],
    "ProxyAnchorLoss": [*cases(""), case([x, labels], '{"num_classes": 4, "margin": 0.7, "scale": 8}')],
}

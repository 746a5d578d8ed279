import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(10)
x = rng.standard_normal((6, 3))
maps = rng.standard_normal((6, 2, 1, 2))
labels = np.array([0, 1, 0, 3, 1, 1])


def cases(extra=""):
    return [
        case([x, labels], f'{{"num_classes": 4{extra}}}', exhaustive=True),
        case([x], f'{{"num_classes": 4{extra}}}', exhaustive=True),
        case([x, labels.reshape(6, 1)], f'{{"num_classes": 5, "filler": "gaussian", "seed": 3{extra}}}'),
        case([maps, labels.reshape(6, 1, 1, 1)], f'{{"num_classes": 4, "filler": "msra"{extra}}}'),
        case([x, labels], f'{{"num_classes": 4, "ignore_label": 1{extra}}}'),
        case([x, labels * 0 + 9], f'{{"num_classes": 4, "ignore_label": 9{extra}}}'),
        case([x, labels * 0], f'{{"num_classes": 1{extra}}}'),
        case([1e4 * x, labels], f'{{"num_classes": 4{extra}}}', gradient_atol=1e-5),
        case([0 * x, labels], f'{{"num_classes": 4{extra}}}', wrt=[]),
        case([x[:1], labels[:1]], f'{{"num_classes": 4{extra}}}'),
        case([x[:0], labels[:0]], f'{{"num_classes": 4{extra}}}', wrt=[], other_bottoms=[x, labels]),
    ]


ones = '"num_classes": 4, "filler": "constant", "filler_value": 1'
aligned = np.concatenate([np.ones((2, 3)), -np.ones((2, 3)), x[:2]])  # with all class vectors of ones

CASES = {
    "CosFace": [*cases(), case([x, labels], '{"num_classes": 4, "scale": 3, "margin": 0.8}')],
    "ArcFace": [
        *cases(),
        case([x, labels], '{"num_classes": 4, "scale": 3, "margin": 1.5}'),
        case([x, labels], '{"num_classes": 4, "margin": 0}'),
        case([aligned, labels], f"{{{ones}}}", wrt=[], learned=[], atol=1e-4),
    ],
    "MarginInnerProduct": [
        *cases(', "base": 5'),
        *(case([x, labels], f'{{"num_classes": 4, "margin": {m}, "base": 0}}', exhaustive=True) for m in (1, 2, 3, 4)),
        case([x, labels], '{"num_classes": 4, "base": 100, "gamma": 0.5, "start_iter": 7}', tops=2, repeatable=False),
        case([x, labels], '{"num_classes": 4, "base": 1, "power": 2, "lambda_min": 3}', tops=2),
        case([x, labels], '{"num_classes": 4, "margin": 3, "legacy_version": true}', tops=2, repeatable=False),
        case([x, labels], f'{{"margin": 2, {ones}}}'),
    ],
}

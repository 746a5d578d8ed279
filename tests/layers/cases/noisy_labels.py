import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(13)
labels = rng.randint(0, 4, 6)
label_maps = rng.randint(0, 4, (3, 1, 2, 5))
scores = 2 * rng.standard_normal((6, 4))
maps = 2 * rng.standard_normal((3, 4, 2, 5))
far = np.array([[1e4, -1e4, 0], [-1e4, 9e3, 1e4]])


def cases(*own):
    """Cases over what the losses share, with parameters of their own in turn."""
    with_own = ["{" + ", ".join(filter(None, (text, *shared))) + "}" for text, shared in zip(own * 10, SHARED)]
    bottoms = [
        [scores, labels],
        [scores, labels.reshape(6, 1, 1, 1)],
        [maps, label_maps],
        [maps, label_maps[:, 0], rng.rand(3, 1, 2, 5)],
        [np.moveaxis(maps, 1, -1), label_maps[:, 0], rng.rand(3)],
        [scores, np.full(6, 255)],
        [scores[:1, :1], [0]],
    ]
    return [case(*row, exhaustive=i < 2) for i, row in enumerate(zip(bottoms, with_own))] + [
        *(case([far, [0, 0]], f"{{{text}}}", wrt=[0]) for text in own[:2]),
        case([scores[:0], labels[:0]], with_own[0], wrt=[]),
    ]


SHARED = [
    (),
    ('"normalization": "batch"', '"class_weights": [0.5, 2, 0, 1]'),
    ('"ignore_label": 2',),
    ('"normalization": "weights"', '"class_weights": [0.5, 2, 0, 1]'),
    ('"axis": -1', '"normalization": "full"'),
    ('"ignore_label": 255',),
    ('"normalization": "none"',),
]

CASES = {
    "GeneralizedCrossEntropyLoss": cases("", '"q": 1', '"q": 0.1, "threshold": 0.2'),
    "SymmetricCrossEntropyLoss": cases("", '"alpha": 6, "beta": 0.1, "A": -9.2'),
    "BootstrappingLoss": cases("", '"method": "soft"', '"method": "soft", "beta": 0.3', '"beta": 0.3'),
}

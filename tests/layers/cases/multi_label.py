import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(16)
scores = rng.standard_normal((6, 7))
targets = rng.randint(0, 2, (6, 7))
targets[0], targets[1] = 0, 1
partly = np.where(rng.rand(6, 7) < 0.3, -1, targets)
far = np.array([[1e4, -1e4, 0], [-1e4, 9e3, 1e4]])
METHODS = ["hinge", "pairs", "warp", "lsep"]

CASES = {
    "MultiLabelRankingLoss": [
        *(case([scores, targets], f'{{"method": "{method}"}}', exhaustive=True) for method in METHODS),
        *(
            case([scores.reshape(6, 7, 1, 1), partly, rng.rand(6)], f'{{"method": "{method}", {more}}}')
            for method, more in zip(
                METHODS,
                (
                    '"margin": 0.3, "ignore_label": -1, "normalization": "weights"',
                    '"margin": 2, "ignore_label": -1, "normalization": "none"',
                    '"margin": 0.3, "ignore_label": -1, "normalization": "full"',
                    '"ignore_label": -1, "normalization": "batch"',
                ),
            )
        ),
        *(case([far, [[0, 1, 1], [1, 0, 0]]], f'{{"method": "{method}"}}', wrt=[0]) for method in METHODS),
        *(case([scores[:1, :1], [[1]]], f'{{"method": "{method}"}}') for method in METHODS),
        case([np.zeros((2, 3)), [[1, 0, 0], [0, 1, 1]]], '{"method": "warp"}', wrt=[0]),
        case([scores[:0], targets[:0]], '{"method": "warp"}', wrt=[]),
    ],
}

import numpy as np

from tests.layers.cases.accuracy import COMMON, TEST, label_maps, labels, maps, metric, rng, scores

several = rng.randint(0, 2, (6, 4))
probabilities = rng.rand(6, 4).round(1)  # with ties
AVERAGES = [
    *(metric([probabilities, labels], f"average: {how}", phase=TEST) for how in ("micro", "weighted", "none")),
    *(metric([probabilities, several], f"average: {how}") for how in ("micro", "weighted", "none")),
]
OWN = [
    metric([probabilities, several, rng.rand(6)], phase=TEST),
    metric([probabilities, np.where(probabilities > 0.7, -1, several)], "ignore_label: -1"),
    metric([rng.rand(3, 2, 5, 4), rng.randint(0, 2, (3, 2, 5, 4)), rng.rand(3, 2, 5)], "axis: -1"),
    metric([probabilities[:, 0], several[:, 0]]),
    metric([probabilities[:, :1], several[:, 0].reshape(6, 1, 1, 1)], phase=TEST),
    metric([probabilities, labels], "positive_class: 2"),
    metric([np.zeros((0, 4)), np.zeros((0, 4))], phase=TEST),
    metric([probabilities, np.ones((6, 4))]),
    metric([maps, label_maps, rng.rand(3)], "{'average': 'none', 'axis': 1}", phase=TEST),
]

CASES = {
    "PrecisionRecallF1": [
        *COMMON,
        *(dict(row, tops=3) for row in AVERAGES + OWN),
        metric([scores, several], "{'threshold': 0.0, 'beta': 2.0}", tops=3, phase=TEST),
    ],
}

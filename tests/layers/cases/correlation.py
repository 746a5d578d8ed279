import numpy as np

from tests.layers.cases.accuracy import TEST, growing, metric, rng

one, other = rng.standard_normal((2, 6))
many, others = rng.standard_normal((2, 6, 3, 2))

ROWS = [
    metric([one, other]),
    metric([one.reshape(6, 1), other], phase=TEST),
    metric([many, others], tops=2, phase=TEST),
    metric([many, others.reshape(6, 6)], "report: running", tops=2, phase=TEST),
    metric([many.round(), others.round()]),  # ties
    metric([one[:1], other[:1]]),
    metric([one * 0 + 0.1, other], phase=TEST),
    metric([np.zeros((0, 2)), np.zeros((0, 2))], tops=2, phase=TEST),
    metric([one + 1e4, other - 1e4]),
    metric([one, other], "{'report': 'batch', 'test_iter': 3}", phase=TEST),
]

CASES = {"PearsonCorrelation": growing(ROWS), "SpearmanCorrelation": ROWS}

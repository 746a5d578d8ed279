import numpy as np

from tests.layers.cases.accuracy import COMMON, TEST, metric


def softmax(scores, axis):
    found = np.exp(scores - scores.max(axis, keepdims=True, initial=0))
    return found / found.sum(axis, keepdims=True)


def as_probabilities(row):
    axis = -1 if "axis" in row["param_str"] else 1
    return {**row, "bottoms": [softmax(row["bottoms"][0], axis), *row["bottoms"][1:]]}


ROWS = [as_probabilities(row) for row in COMMON]
CASES = {
    "ExpectedCalibrationError": [
        *ROWS,
        metric(ROWS[0]["bottoms"], "bins: 4", tops=2, phase=TEST),
        metric(ROWS[2]["bottoms"], "bins: 1", tops=2),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(29)
scores = 2 * rng.standard_normal((6, 3, 4))
whole = scores.argsort(2)  # their sums are whole numbers: float32 has few digits behind them
labels = np.array([[1, 2, 3], [2, 2, 0], [3, 0, 0]])
columns = np.array([[1, 2, 3], [2, 2, -1], [3, -1, -1]])
cont = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 0, 1], [1, 1, 1]])
numbers = [np.array([6, 5, 2]), np.array([3, 2, 1]), columns]


def ctc(bottoms, text="{}", **options):
    return case(bottoms, text, **{"wrt": [0], "other_bottoms": (), **options})


CASES = {
    "CTCLoss": [
        case([scores, labels], wrt=[0], exhaustive=True, other_bottoms=[scores[:, :2], labels[:2]]),
        ctc([scores, cont, columns], exhaustive=True),
        ctc([scores, *numbers]),
        ctc([scores, columns], "{blank_label: -1, normalization: full}"),
        ctc([scores, labels], "{merge_repeated: false, normalization: valid}"),
        ctc([scores, labels], "{collapse_labels: true, normalization: none}"),
        ctc([scores, cont, columns - 1], "{label_offset: 1, output_delay: 1}"),
        ctc([scores[:3], np.array([[1, 2, 3, 1], [2, 2, 3, -1], [0, -1, -1, -1]])]),  # too long, no blank, empty
        ctc([scores[:1, :1, :2], np.array([[1]])]),
        ctc([scores[:, :1, :1], np.zeros((1, 2))]),  # the blank alone
        ctc([1e4 * whole, labels], gradient_atol=1e-5),
        ctc([scores[:, :0], labels[:0]], wrt=[]),
    ],
}

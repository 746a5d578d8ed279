import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(31)
scores = rng.standard_normal((7, 3, 3))
cont = (np.arange(7)[:, None] % [7, 4, 1] > 0) * 1
columns = np.array([[1, 2, 2], [2, -1, 1], [1, -1, -1]])
rows = np.array([[1, 2, 0], [2, 0, 0], [2, 1, 2]])


def known(bottoms, text="{}", **options):
    return case(bottoms, text, **{"wrt": [], "other_bottoms": (), **options})


CASES = {
    "CTCGreedyDecoder": [
        known([scores], other_bottoms=[scores[:, :2]]),
        known([scores], "{blank_label: -1, merge_repeated: false}", tops=2),
        known([scores, cont], tops=2),
        known([scores, cont, columns], tops=1),
        known([scores, cont, columns], tops=2),
        known([scores, cont, columns], tops=3),
        known([scores[:1, :1, :1]]),  # the blank alone
        known([0 * scores], tops=2),  # ties
        known([scores[:, :0]]),
        known([scores[:0]]),
    ],
    "SequenceAccuracy": [
        known([scores, rows], other_bottoms=[scores[:, :2], rows[:2]]),
        known([scores, rows], "measures: [edit]"),
        known([scores.swapaxes(0, 1), rows], "{measures: [exact, edit], time_axis: 1}"),
        known([scores, rows - 1], "{blank_label: -1, merge_repeated: false}"),
        known([scores, rows], "measures: [edit, exact]", phase=1),
        known([scores, 0 * rows], "measures: [edit]"),
        known([scores, rows[:, :0]]),
        known([scores[:, :0], rows[:0]]),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
labels = rng.randint(0, 4, 6)
label_maps = rng.randint(0, 4, (3, 1, 2, 5))
scores = rng.standard_normal((6, 4))
maps = rng.standard_normal((3, 4, 2, 5))
TEST = 1


def metric(bottoms, param_str="", **options):
    if options.get("phase") == TEST:  # where a batch of another size adds to the pass
        options["other_bottoms"] = ()
    return case(bottoms, param_str, wrt=[], **options)


def growing(rows):
    """The rows, of a layer for which two equal batches in a pass differ from one: in counts, or by rounding."""
    return [dict(row, repeatable=False) if row.get("phase") == TEST else row for row in rows]


COMMON = [
    metric([scores, labels]),
    metric([scores, labels.reshape(6, 1, 1, 1), rng.rand(6)], phase=TEST),
    metric([maps, label_maps, rng.rand(3, 1, 2, 5)]),
    metric([maps, label_maps[:, 0], rng.rand(3, 1)], phase=TEST),
    metric([np.moveaxis(maps, 1, -1), label_maps[:, 0]], "axis: -1"),
    metric([maps, label_maps], "ignore_label: 2", phase=TEST),
    metric([scores, np.full(6, 3)], "ignore_label: 3", phase=TEST),  # all
    metric([scores[:1], labels[:1]], "report: running", phase=TEST),
    metric([np.zeros((3, 1)), np.zeros(3, int)]),  # one class
    metric([np.zeros((0, 4)), np.zeros(0, int)], phase=TEST),
    metric([np.zeros((6, 4)), labels]),  # ties
    metric([1e4 * scores, labels], "report: batch", phase=TEST),
]


def with_k(row, k):
    """The row, with a k that its classes allow."""
    given = row["param_str"]
    return {**row, "param_str": f"{given}\nk: {k}" if given else f"k: {k}"}


CASES = {
    "ClassAccuracy": [
        *COMMON,
        metric([scores, labels], "top_k: 2", tops=2),
        metric([maps, label_maps], "{'top_k': 4, 'test_iter': 2}", tops=2, phase=TEST),
    ],
    "BalancedAccuracy": [
        *COMMON,
        metric([scores, labels], "{'adjusted': true, 'top_k': 2}", phase=TEST),
        metric([scores[:, :1], labels * 0], "adjusted: true"),
    ],
    "TopKAccuracy": [
        case([scores, labels], "{k: [1, 2], lowest: true}", wrt=[]),
        *(with_k(row, [1]) for row in COMMON),
        metric([scores, labels], "k: [1, 3, 2]", tops=3),
        metric([maps, label_maps, rng.rand(3)], "k: [2, 4]", phase=TEST),
    ],
}

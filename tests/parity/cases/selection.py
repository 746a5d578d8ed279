"""ArgMax, BatchReindex, Filter."""

import numpy as np

from tests.parity.case import TEST, Case, integers, normal

X = normal(2, 3, 4, 5)
TIES = integers(2, 6, 4, 3, high=3)
ROWS = normal(6, 3, 2)


def argmax(param, x, **facts):
    return Case("ArgMax", f"argmax_param {{ {param} }}", [x], down=[], exact=True, **facts)


def vector(*values):
    return np.array(values, np.float32)


def reindex(index, x=ROWS, **facts):
    return Case("BatchReindex", "", [x, index], down=facts.pop("down", [0]), **facts)


def select(selector, *data, **facts):
    facts.setdefault("down", list(range(len(data))))
    return Case("Filter", "", [*data, selector], tops=len(data), exact=True, **facts)


CASES = [
    *[
        argmax(f"{axis} top_k: {k} out_max_val: {values}", x)
        for x in (X, TIES)
        for axis in ("", "axis: 1", "axis: -1")
        for k in (1, 2, 3)
        for values in ("false", "true")
    ],
    *[argmax("axis: 0 top_k: 2", x) for x in (X, TIES, ROWS)],
    argmax("axis: 2 top_k: 4", X),
    argmax("top_k: 72", TIES),
    *[argmax(param, normal(*shape)) for param in ("", "out_max_val: true") for shape in [(5,), (3, 4), (3, 4, 2)]],
    *[argmax("top_k: 3", normal(*shape)) for shape in [(3, 4), (2, 3, 1, 2, 1)]],
    argmax("axis: 0", normal(5)),
    argmax("", X, phase=TEST),
    *[reindex(vector(*index)) for index in [(0,), (5, 4, 3, 2, 1, 0), (1, 1, 1), (0, 2, 2, 5, 0, 0, 3, 1), (1.7, 4.2)]],
    reindex(vector(2, 0, 2), normal(3)),
    reindex(vector(2, 0, 2), normal(3, 2, 1, 2, 2)),
    reindex(vector(2, 0, 2), X[:1].repeat(3, axis=0), phase=TEST),
    reindex(vector(2, 0, 2), loss_weight=3.7),
    reindex(vector(2, 0, 2), down=[]),
    *[select(vector(*chosen), ROWS) for chosen in [(1, 0, 0, 1, 1, 0), (1, 1, 1, 1, 1, 1), (0, 0, 0, 0, 0, -2.5)]],
    select(vector(0, 1, 0, 0.5, 1, 1), ROWS, normal(6), normal(6, 2, 1, 3, 1)),
    select(vector(0, 1, 0, 1, 1, 1).reshape(6, 1, 1, 1), ROWS, normal(6, 2)),
    select(vector(0, 1, 0, 1, 1, 1), ROWS, normal(6, 2), down=[1]),
    select(vector(0, 1, 0, 1, 1, 1), ROWS, down=[], phase=TEST),
    select(vector(0, 1, 0, 1, 1, 1), ROWS, loss_weight=3.7),
]

"""LRN."""

from tests.parity.case import TEST, Case, normal

ACROSS = [
    "",
    "local_size: 3 alpha: 0.5 beta: 0.75 k: 2",
    "local_size: 5 alpha: 0.0001 beta: 0.75",
    "local_size: 1 alpha: 2 beta: 1",
    "local_size: 7 alpha: 3 beta: 0.5 k: 0.5",
    "local_size: 15 alpha: 1 beta: 1.5",
    "local_size: 5 alpha: -0.1 beta: 0.75 k: 3",
    "alpha: 0.3 engine: CAFFE",
]
WITHIN = [
    "",
    "local_size: 3 alpha: 0.5 beta: 0.75 k: 2",  # k is not looked at
    "local_size: 5 alpha: 0.01 beta: 1",
    "local_size: 1 alpha: 2 beta: 0.5",
    "local_size: 9 alpha: 3 beta: 0.75",
]


def lrn(param, *shape, **facts):
    return Case("LRN", f"lrn_param {{ {param} }}", [normal(*shape)], **facts)


CASES = [
    *[lrn(param, 2, 7, 3, 4) for param in ACROSS],
    lrn("local_size: 3 alpha: 2", 2, 1, 3, 4),
    lrn("local_size: 5 alpha: 2", 1, 16, 1, 1),
    lrn("local_size: 5 alpha: 2", 2, 8, 3, 3, phase=TEST),
    *[lrn(f"norm_region: WITHIN_CHANNEL {param}", 2, 3, 6, 5) for param in WITHIN],
    lrn("norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2", 2, 2, 1, 1),
    lrn("norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2", 2, 2, 2, 7, phase=TEST),
]

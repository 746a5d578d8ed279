"""Pooling."""

import numpy as np

from tests.parity.case import TEST, Case, integers, normal

MAPS = [
    ("kernel_size: 2 stride: 2", (2, 3, 6, 4)),
    ("kernel_size: 3 stride: 2", (2, 3, 7, 5)),
    ("kernel_size: 3 stride: 2", (2, 3, 6, 8)),
    ("kernel_size: 3", (2, 3, 6, 5)),
    ("kernel_size: 3 stride: 2 pad: 1", (2, 3, 6, 7)),
    ("kernel_size: 3 stride: 2 pad: 2", (2, 2, 5, 6)),
    ("kernel_size: 5 stride: 3 pad: 4", (2, 2, 5, 6)),
    ("kernel_size: 4 stride: 1 pad: 3", (1, 2, 3, 2)),
    ("kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 0", (2, 2, 6, 5)),
    ("kernel_h: 1 kernel_w: 4 stride_h: 2 stride_w: 3 pad_h: 0 pad_w: 3", (2, 2, 5, 5)),
    ("kernel_size: 3 stride: 2 round_mode: FLOOR", (2, 3, 6, 8)),
    ("kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR", (2, 3, 6, 8)),
    ("kernel_size: 3 stride: 2 pad: 2 round_mode: FLOOR", (2, 2, 6, 7)),
    ("kernel_size: 2 stride: 5 round_mode: FLOOR", (2, 2, 9, 9)),
    ("global_pooling: true", (2, 3, 5, 4)),
    ("global_pooling: true", (2, 3, 1, 1)),
    ("kernel_size: 1", (2, 3, 3, 4)),
    ("kernel_size: 4 stride: 2", (2, 2, 3, 3)),  # larger than the map
    ("kernel_size: 5 stride: 5", (2, 2, 3, 7)),
    ("kernel_size: 2 stride: 2 engine: CAFFE", (1, 1, 5, 5)),
]
# Windows wholly outside the map: max gives -FLT_MAX and Caffe's backward writes outside its memory; average NaN.
OUTSIDE = [
    ("kernel_size: 2 stride: 3", (2, 2, 9, 8)),
    ("kernel_size: 1 stride: 3", (2, 2, 5, 6)),
    ("kernel_size: 1 stride: 2", (2, 2, 4, 4)),
    ("kernel_size: 1 stride: 2", (1, 2, 4, 5)),
    ("kernel_size: 2 stride: 4", (2, 2, 7, 8)),
    ("kernel_h: 3 kernel_w: 1 stride_h: 1 stride_w: 2", (1, 2, 5, 6)),
]


def pooling(pool, param, x, **facts):
    return Case("Pooling", f"pooling_param {{ pool: {pool} {param} }}", [x], **facts)


CASES = [
    *[pooling("MAX", param, normal(*shape), exact=True) for param, shape in MAPS],
    *[pooling("MAX", param, normal(*shape), tops=2, exact=True) for param, shape in MAPS],
    *[pooling("AVE", param, normal(*shape)) for param, shape in MAPS],
    # Of equal values the first counts; of nothing but negative ones the pad does not.
    pooling("MAX", "kernel_size: 3 stride: 2", integers(2, 3, 7, 7, high=3), tops=2),
    pooling("MAX", "kernel_size: 3 stride: 2 pad: 1", integers(2, 8, 6, 6, high=2), tops=2),
    pooling("MAX", "kernel_size: 3 stride: 2 pad: 2", integers(2, 8, 6, 6, high=2), tops=2),
    pooling("MAX", "kernel_size: 3 stride: 1 pad: 1", -1 - np.abs(normal(2, 2, 4, 4))),
    pooling("MAX", "kernel_size: 3 stride: 2 pad: 2", -1 - np.abs(normal(2, 2, 4, 4))),
    pooling("MAX", "kernel_size: 2 stride: 2", normal(2, 20, 6, 6), phase=TEST),
    pooling("MAX", "kernel_size: 2 stride: 2", normal(2, 20, 6, 6), down=[]),
    *[pooling("MAX", param, normal(*shape), down=[]) for param, shape in OUTSIDE],
    *[pooling("MAX", param, normal(*shape), down=[], tops=2) for param, shape in OUTSIDE],
    *[pooling("AVE", param, normal(*shape)) for param, shape in OUTSIDE],
]

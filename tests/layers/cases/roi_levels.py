import numpy as np

from tests.layers.case import case
from tests.layers.cases.boxes import boxes

rng = np.random.RandomState(7)
rois = np.concatenate([rng.randint(0, 2, (12, 1)), boxes(12, 1500.0)], 1)


def apart(bottoms, param_str="", **options):
    return case(bottoms, param_str, wrt=[], **options)


CASES = {
    "ROIsToLevels": [
        apart([rois], tops=5),
        apart([rois], "{k_min: 3, k0: 5, canonical_size: 100}", tops=4),
        apart([rois / [1, 1500, 1500, 1500, 1500]], "{legacy_plus_one: false, canonical_size: 0.2}", tops=5),
        apart([rois.reshape(12, 5, 1, 1)], "pad_empty: false", tops=5),
        apart([rois[:1]], tops=5),
        apart([rois], tops=2),
        apart([rois * 0], "legacy_plus_one: false", tops=5),
        apart([rois[:0]], tops=5),
    ],
    "ScaleRoute": [
        apart([rois], "{low_scale: 200, high_scale: 500}"),
        apart([rois, rng.rand(12, 3), rng.rand(12, 2, 2, 1)], "{high_scale: 300}", tops=3),
        apart([rois.reshape(12, 5, 1, 1)], "{low_scale: 1e5}"),  # none: the largest
        apart([rois]),
        apart([rois[:1]], "{high_scale: 1}"),
    ],
}

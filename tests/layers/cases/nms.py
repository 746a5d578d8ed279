import numpy as np

from tests.layers.case import case
from tests.layers.cases.boxes import boxes

rng = np.random.RandomState(7)
many = boxes(20)
rois = np.concatenate([rng.randint(0, 2, (20, 1)), many], 1)
scores = rng.rand(20, 3)
by_class = np.tile(many, 3) + rng.uniform(-1, 1, (20, 12))


def apart(bottoms, param_str="", **options):
    return case(bottoms, param_str, wrt=[], **options)


CASES = {
    "NMS": [
        apart([many, scores[:, 0]]),
        apart([rois, scores[:, :1]], tops=2),
        apart([rois, scores], "{nms_threshold: 0.5, top_k: 5, keep_top_k: 7}", tops=2),
        apart([rois, scores.reshape(20, 3, 1, 1), by_class], "background_label: 2", tops=2),
        apart([rois, scores, by_class[:, :8]], "{background_label: -1, score_threshold: 0.4}"),
        apart([rois, scores, many], "{method: linear, nms_threshold: 0.2}", tops=2),
        apart([rois, scores, by_class], "{method: gaussian, sigma: 0.3, score_threshold: 0.2}", tops=2),
        apart([many / 40, scores], "legacy_plus_one: false"),
        apart([np.repeat(many[:4], 5, 0), np.full(20, 0.5)], tops=2),  # ties
        apart([rois, scores], "score_threshold: 2", tops=2),  # none
        apart([rois[:1], scores[:1]], tops=2),
        apart([rois, scores * 2e4 - 1e4], tops=2),
        apart([rois[:0], scores[:0]], tops=2),
    ],
}

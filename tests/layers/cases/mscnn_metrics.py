import numpy as np

from tests.layers.case import case
from tests.layers.cases.mscnn_losses import STD, ignored, labels, maps, none
from tests.layers.cases.proposals import rois

rng = np.random.RandomState(8)
ONE = "num_classes: 3, field_w: [9], field_h: [7], stride: 8"
SEVERAL = "num_classes: 2, field_w: [9, 15], field_h: [7, 12], stride: 8, objectness: true"


def found(bottoms, text, tops=2, **options):
    return case(bottoms, f"{{{text}}}", wrt=[], tops=tops, other_bottoms=(), **options)


def several(truth):
    return [maps(2, len(truth)), maps(4, len(truth)), truth]


objects = np.concatenate([rng.randint(0, 3, (16, 1)), rois[:, 1:] + 1, rng.rand(16, 1)], 1)

CASES = {
    "DetectionAccuracy": [
        found([maps(7, 2), labels(2)], ONE),
        found([maps(7, 2), labels(2)], f"{ONE}, {STD}, bg_threshold: 0.6, field_whr: 8, field_xyr: 1", phase=1),
        found([maps(7, 2), ignored], f"{ONE}, ignore_label: 255", tops=1),
        found([maps(7, 2), none], ONE, phase=1),
        found([maps(7, 2, size=1e4), labels(2)], f"{ONE}, report: batch", phase=1),
        found([maps(7, 0), labels(0)], ONE),
    ],
    "DetectionGroupAccuracy": [
        found(several(labels(4)), SEVERAL),
        found(several(labels(4)), f"{SEVERAL}, {STD}, bg_threshold: 0.3", phase=1),
        found(several(none), SEVERAL, tops=1),
        found(several(labels(0)), SEVERAL),
    ],
    "BboxAccuracy": [
        found([0.1 * rng.standard_normal((16, 12)), rois, objects], STD),
        found([0.1 * rng.standard_normal((16, 8)), rois, objects], f"cls_aware: false, {STD}", phase=1),
        found([np.zeros((16, 12, 1, 1)), rois.reshape(16, 5, 1, 1), objects.reshape(16, 6, 1, 1)], "", tops=1),
        found([np.zeros((16, 8)), rois, objects * [0, 1, 1, 1, 1, 1]], "", phase=1),
        found([np.zeros((16, 12)), rois, np.where(np.arange(6) == 5, 1, objects)], ""),
    ],
}

import numpy as np

from tests.layers.case import case
from tests.layers.cases.boxes import boxes

rng = np.random.RandomState(7)
objects = boxes(8)
near = np.tile(objects, (3, 1)) + rng.uniform(-2, 2, (24, 4))
image, label = rng.randint(0, 2, 8), rng.randint(1, 4, 8)
gt = np.column_stack([image, objects, label, rng.rand(8) < 0.3])
detections = np.column_stack([np.tile(image, 3), np.tile(label, 3), rng.permutation(24) / 24.0, near])
ssd = np.column_stack([image, label, np.zeros(8), objects / 40, gt[:, 6]]).reshape(1, 1, 8, 8)
padded = np.zeros((2, 8, 5))
for i in range(2):
    padded[i, : (image == i).sum()] = gt[image == i, 1:6]
shares = detections / [1, 1, 1, 40, 40, 40, 40]
in_pixels = [
    detections[:, [0, 3, 4, 5, 6, 1, 2]],
    np.column_stack([gt[:, :6], np.zeros(8), gt[:, 6]]).reshape(8, 8, 1, 1),
    [[40, 50], [60, 40]],
]
none = [[0, -1, -1, -1, -1, -1, -1], [1, -1, -1, -1, -1, -1, -1]]


def apart(bottoms, param_str="", **options):
    return case(bottoms, f"{{num_classes: 4{param_str}}}", wrt=[], other_bottoms=(), **options)


CASES = {
    "MeanAveragePrecision": [
        apart([detections, gt], tops=3),
        apart([detections, gt], ", protocol: voc10", tops=2),
        apart([detections, gt], ", protocol: coco", tops=3),
        apart([detections, padded], ", protocol: coco, max_detections: 2, legacy_plus_one: true", tops=3),
        apart([shares, ssd], ", legacy_plus_one: false, max_detections: 3", tops=3),
        apart([detections.reshape(1, 1, 24, 7), gt[:, :6]], ", iou_thresholds: [0.3, 0.6]", tops=3, phase=1),
        apart([detections[detections[:, 0] == 0], gt[image == 0, 1:6]], ", report: running", phase=1),
        apart([none, gt], tops=3),
        apart([detections, gt], ", report: batch, test_iter: 2", phase=1),
        apart([detections, gt * [1, 1, 1, 1, 1, 0, 1]], tops=3, phase=1),  # no objects
        apart([detections[:0], gt], ", protocol: coco", tops=3),
        apart([detections, gt[:0]], ", test_iter: 2", phase=1),
    ],
    "DetectionEvaluate": [
        apart([shares, ssd]),
        apart([shares, ssd], ", evaluate_difficult_gt: false, overlap_threshold: 0.7"),
        apart([shares, ssd], ", background_label: -1"),
        apart([shares - [0, 1, 0, 0, 0, 0, 0], ssd - [0, 1, 0, 0, 0, 0, 0, 0]], ", background_label: 3"),
        apart([shares[shares[:, 0] == 0], gt[image == 0, 1:6]]),
        apart([none, ssd]),
        apart([shares[:0], ssd]),
        apart([shares, ssd[:, :, :0]]),
        apart([none, ssd[:, :, :0]], ", resize_mode: fit_large_size_and_pad, resize_height: 300, resize_width: 300"),
        apart([shares[:1], ssd[:, :, :1]]),
        apart([shares, ssd], ", ap_version: 11point", phase=1),
        apart([none, ssd[:, :, :0]], ", ap_version: Integral, report: batch", phase=1),
        apart(in_pixels, ", form: cascade"),
        apart(in_pixels, ", form: cascade, evaluate_difficult_gt: false, ap_version: 11point", phase=1),
    ],
}

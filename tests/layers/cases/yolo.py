import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(12)


def maps(values, height=2, width=3, images=2):
    return rng.standard_normal((images, values, height, width))


def detect(bottoms, text):
    more = [np.concatenate([bottom, bottom]) for bottom in bottoms]
    return case(bottoms, f"{{{text}}}", wrt=[], other_bottoms=more)


def evaluate(bottoms, text="nms_threshold: 0.45"):
    return case(bottoms, f"{{{V2}, {text}}}", wrt=[], other_bottoms=())


ONE = "num_classes: 2, anchors: [10, 14, 30, 20], strides: [32]"
TWO = "num_classes: 1, anchors: [10, 14, 30, 20, 60, 60, 90, 40], strides: [32, 16]"
V2 = "num_classes: 3, anchors: [1, 1.5, 0.5, 2]"

OBJECTS = np.array([[0, 1, 0, 0.1, 0.2, 0.6, 0.9, 0], [0, 1, 1, 0.3, 0, 0.9, 0.5, 1], [1, 3, 0, 0.2, 0.3, 0.9, 0.8, 0]])
NONE = [[[[0, -1, -1, -1, -1, -1, -1, -1]]]]

CASES = {
    "Yolov3DetectionOutput": [
        detect([maps(14)], ONE),
        detect([maps(14)], f"{ONE}, confidence_threshold: 0.3, nms_threshold: 0.1"),
        detect([maps(12), maps(12, 4, 6)], f"{TWO}, mask: [2, 3, 0, 1], confidence_threshold: 0.2"),
        detect([maps(12), maps(12, 4, 6)], TWO),
        detect([maps(22)], f"{ONE}, gaussian_box: true"),
        detect([maps(14)], f"{ONE}, confidence_threshold: 1"),  # none at all
        detect([maps(14) * 0], ONE),  # ties
        detect([maps(14)[:1, :, :1, :1]], ONE),
        detect([maps(14)[:0]], ONE),
        detect([maps(14) * 1e4], ONE),
    ],
    "YoloDetectionOutput": [
        detect([maps(16)], V2),
        detect([maps(16), maps(16, 4, 4)], f"{V2}, confidence_threshold: 0.2"),
        detect([maps(16)], f"{V2}, nms_threshold: 0.1"),
        detect([maps(16)], f"{V2}, confidence_threshold: 1"),
        detect([maps(16) * 0], V2),
        detect([maps(6)[:1, :, :1, :1]], "num_classes: 1, anchors: [1, 2]"),
        detect([maps(16)[:0]], V2),
        detect([maps(16) * 1e4], V2),
    ],
    "YoloEvaluate": [
        evaluate([maps(16), OBJECTS]),
        evaluate([maps(16), OBJECTS, maps(3)], "score: object, overlap_threshold: 0.2"),
        evaluate([maps(16), OBJECTS], "score: class, nms_threshold: 0.2"),
        evaluate([maps(16), OBJECTS], "legacy_version: true"),
        evaluate([maps(16), NONE]),
        evaluate([maps(16) * 0, OBJECTS]),  # ties
        evaluate([maps(16, 1, 1, 1), OBJECTS[:2]]),
        evaluate([maps(16)[:0], OBJECTS[:0]]),
        evaluate([maps(16), OBJECTS], "confidence_threshold: 1"),
        evaluate([maps(16) * 1e4, OBJECTS]),
    ],
}

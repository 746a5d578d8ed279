import numpy as np

from tests.layers.cases.accuracy import COMMON, TEST, label_maps, maps, metric, rng

PREDICTED = [
    metric([rng.randint(0, 4, (3, 2, 5)), label_maps], "{'num_classes': 6, 'ignore_label': 0}"),
    metric([label_maps, label_maps, rng.rand(3)], "num_classes: 4", tops=2, phase=TEST),
]

blocks = np.kron(rng.randint(0, 3, (2, 1, 3, 4)), np.ones((4, 4), int))
large = rng.rand(2, 3, 12, 16) + 2 * np.moveaxis(np.eye(3)[blocks[:, 0]], -1, 1)

CASES = {
    "MeanIoU": [
        *COMMON,
        *PREDICTED,
        metric([maps, label_maps], tops=3, phase=TEST),
        metric([maps, label_maps], "exclude: [0, 2]", tops=3),
        metric([maps, np.zeros((3, 2, 5))], "exclude: [0, 1, 2, 3]", tops=3),
    ],
    "BoundaryIoU": [
        metric([maps, label_maps]),
        metric([maps, label_maps[:, 0], rng.rand(3, 2, 5)], "{'distance': 2, 'ignore_label': 1}", tops=2, phase=TEST),
        metric([np.moveaxis(maps, 1, -1), label_maps[:, 0]], "axis: -1"),
        metric([large, blocks], "dilation_ratio: 0.1", tops=2, phase=TEST),
        metric([blocks, blocks[:, 0], rng.rand(2)], "{'num_classes': 3, 'distance': 1}"),
        metric([blocks * 0, blocks * 0], "{'num_classes': 3, 'ignore_label': 0}", phase=TEST),
        metric([np.zeros((0, 2, 3, 3)), np.zeros((0, 3, 3))], phase=TEST),
        metric([large[:, :1], blocks * 0], phase=TEST),
    ],
    "PixelAccuracy": [*COMMON, *PREDICTED, metric([maps, label_maps], tops=2)],
    "SegAccuracy": [
        metric([maps, label_maps]),
        metric([maps, label_maps], "ignore_label: [2, 0]", phase=TEST),
        metric([maps, label_maps[:, 0], rng.rand(3, 2, 5)], "report: running", phase=TEST),
        metric([np.moveaxis(maps, 1, -1), label_maps], "axis: -1", phase=TEST),
        metric([maps.round(), label_maps]),
        metric([maps, label_maps * 0], "ignore_label: [0]"),
        metric([rng.randint(0, 6, label_maps.shape), label_maps], "num_classes: 6", phase=TEST),
        metric([np.zeros((0, 2, 3, 3)), np.zeros((0, 3, 3))], phase=TEST),
        metric([maps[:, :1] * 1e4, label_maps * 0]),
    ],
}

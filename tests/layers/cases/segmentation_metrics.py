import numpy as np

from tests.layers.cases.accuracy import COMMON, TEST, label_maps, maps, metric, rng

PREDICTED = [
    metric([rng.randint(0, 4, (3, 2, 5)), label_maps], "{'num_classes': 6, 'ignore_label': 0}"),
    metric([label_maps, label_maps, rng.rand(3)], "num_classes: 4", tops=2, phase=TEST),
]

CASES = {
    "MeanIoU": [
        *COMMON,
        *PREDICTED,
        metric([maps, label_maps], tops=3, phase=TEST),
        metric([maps, label_maps], "exclude: [0, 2]", tops=3),
        metric([maps, np.zeros((3, 2, 5))], "exclude: [0, 1, 2, 3]", tops=3),
    ],
    "PixelAccuracy": [*COMMON, *PREDICTED, metric([maps, label_maps], tops=2)],
}

import numpy as np

from tests.layers.cases.accuracy import COMMON, TEST, growing, label_maps, labels, metric, rng, scores

CASES = {
    "ConfusionMatrix": [
        *growing(COMMON),
        metric([scores, labels], tops=0),
        *(metric([scores, labels], f"normalize: {how}", phase=TEST) for how in ("label", "prediction", "all")),
        metric([rng.randint(0, 4, (3, 1, 2, 5)), label_maps], "{'num_classes': 5, 'ignore_label': 0}"),
        metric([rng.randint(0, 4, 6), labels, rng.rand(6)], "{'num_classes': 4, 'class_names': ['a', 'b', 'c', 'd']}"),
        metric([np.zeros((0, 1)), np.zeros(0)], "num_classes: 2", phase=TEST),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
labels = rng.randint(0, 4, 6)
label_maps = rng.randint(0, 4, (3, 1, 2, 5))
scores = rng.standard_normal((6, 4))
maps = rng.standard_normal((3, 4, 2, 5))

CASES = {
    "label2one_hot": [
        case([labels, scores]),
        case([labels.reshape(6, 1, 1, 1), scores]),
        case([labels, scores.reshape(6, 4, 1, 1)]),
        case([label_maps, maps]),
        case([label_maps[:, 0], maps]),
        case([label_maps[:, 0], np.moveaxis(maps, 1, -1)], "axis: -1"),
        case([labels], '{"num_classes": 7, "on_value": 0.9, "off_value": 0.05}', wrt=[]),
        case([label_maps], '{"num_classes": 4}', wrt=[]),
        case([label_maps, maps], "{'ignore_label': 2}", tops=2),
        case([labels, scores], tops=2),
    ],
}

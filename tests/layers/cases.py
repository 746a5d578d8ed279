"""One list of cases for each layer: what check_layer is called with. A layer without a row fails the suite."""

import numpy as np

rng = np.random.RandomState(7)


def case(bottoms, param_str="", **options):
    """Return the arguments of check_layer; wrt=[] where no bottom can get a gradient."""
    return dict(bottoms=bottoms, param_str=param_str, **options)


labels = rng.randint(0, 4, 6)
label_maps = rng.randint(0, 4, (3, 1, 2, 5))
scores, targets = rng.standard_normal((2, 6, 4))
maps, target_maps = rng.standard_normal((2, 3, 4, 2, 5))

CASES = {
    "one_hot.label2one_hot": [
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
    "pyloss.EuclideanLossLayer": [
        case([scores, targets], exhaustive=True),
        case([maps, target_maps]),
        case([maps, target_maps.reshape(3, -1)], '{"normalization": "full"}'),
        case([scores, targets], '{"normalization": "valid"}'),
        case([scores, targets, rng.rand(6)], '{"normalization": "none"}', exhaustive=True),
        case([maps, target_maps, rng.rand(3, 1, 2, 5)], '{"normalization": "valid"}'),
        case([maps, target_maps, rng.rand(3, 4, 2, 5)]),
        case([maps, target_maps, rng.rand(3, 1)]),
    ],
}

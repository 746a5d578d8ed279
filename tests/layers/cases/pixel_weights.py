import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
label_maps = rng.randint(0, 4, (3, 1, 4, 5))
cells = rng.randint(0, 2, (2, 1, 7, 8)) * rng.randint(1, 4, (2, 1, 7, 8))
class_weights = rng.uniform(0.5, 2, cells.shape)

CASES = {
    "ClassBalancedWeights": [
        case([label_maps], '{"num_classes": 4}', wrt=[]),
        case([label_maps[:, 0]], '{"num_classes": 6, "scheme": "median", "ignore_label": 3}', wrt=[]),
        case([label_maps], '{"num_classes": 4, "scheme": "log", "max_weight": 2}', wrt=[]),
        case([label_maps], '{"num_classes": 4, "scheme": "effective", "beta": 0.99}', wrt=[]),
        case([label_maps], '{"num_classes": 4, "scheme": "effective", "beta": 0}', wrt=[]),
        case([label_maps], '{"num_classes": 4, "scheme": "median", "counts": [0.5, 0.1, 0.1, 0.3]}', wrt=[]),
        case([rng.randint(0, 3, 7)], '{"num_classes": 3, "scheme": "median"}', wrt=[]),
        case([rng.randint(0, 3, (7, 1, 1, 1))], '{"num_classes": 3}', wrt=[]),
        case([np.full((3, 1, 4, 5), 255)], '{"num_classes": 4, "ignore_label": 255}', wrt=[]),
        case([np.zeros((0, 1, 4, 5), int)], '{"num_classes": 1, "scheme": "median"}', wrt=[]),
        case([np.ones((), int)], '{"num_classes": 2, "scheme": "median"}', wrt=[]),
    ],
    "BoundaryWeights": [
        case([cells], wrt=[]),
        case([cells[:, 0], class_weights], '{"sigma": 2, "w0": 3, "connectivity": 4}'),
        case([cells, class_weights[:, 0]], '{"sigma": 0.5, "objects": "labels", "ignore_label": 2}'),
        case([cells, class_weights], '{"everywhere": true, "background_label": 1}', exhaustive=True),
        case([np.zeros((1, 1, 4, 5), int)], wrt=[]),
        case([np.ones((2, 4, 5), int)], wrt=[]),
        case([np.eye(5)[None, None].astype(int)], '{"connectivity": 4, "sigma": 1}', wrt=[]),
        case([np.zeros((0, 1, 4, 5), int)], wrt=[]),
    ],
}

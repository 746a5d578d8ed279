import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
logs = rng.standard_normal((3, 1, 4, 5))
depths = np.exp(rng.standard_normal((3, 1, 4, 5)))
holes = np.where(rng.rand(3, 1, 4, 5) < 0.3, 0, depths)
lost = holes.copy()
lost[0, 0, 0] = np.nan
lost[1] = 0
mask = rng.rand(3, 1, 4, 5) < 0.7

CASES = {
    "ScaleInvariantLogLoss": [
        case([logs, depths], exhaustive=True),
        case([logs, holes, mask], '{"lam": 0.85}', wrt=[0]),
        case([logs, lost[:, 0], np.array([1, 1, 0])], '{"root": true, "lam": 1}', wrt=[0]),
        case([logs, holes, mask], '{"root": true, "lam": 0.85, "per": "batch"}', wrt=[0]),
        case([np.exp(logs), depths], '{"log_predictions": false, "lam": 1}', exhaustive=True),
        case([np.exp(logs), depths], '{"log_predictions": false, "floor": 0.7, "root": true, "per": "batch"}'),
        case([logs, holes], '{"min_depth": 0.5, "max_depth": 2}', wrt=[0]),
        case([logs, np.zeros_like(logs)], '{"root": true}', wrt=[0]),
        case([logs * 0, np.ones_like(logs)], '{"root": true}', wrt=[]),
        case([logs[:, 0, 0, 0], depths[:, 0, 0, 0]], '{"lam": 0}'),
        case([np.where(logs > 0, 1e4, -1e4), depths], gradient_rtol=1e-3),
        case([np.zeros((0, 1, 2, 2)), np.zeros((0, 1, 2, 2))], '{"root": true}', other_bottoms=()),
        case([np.zeros((0, 1, 2, 2)), np.zeros((0, 1, 2, 2))], '{"per": "batch"}', other_bottoms=()),
    ],
}

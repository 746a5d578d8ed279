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
        case([logs, holes, mask], '{"variance_focus": 0.85}', wrt=[0]),
        case([logs, lost[:, 0], np.array([1, 1, 0])], '{"sqrt": true, "variance_focus": 1}', wrt=[0]),
        case([logs, holes, mask], '{"sqrt": true, "variance_focus": 0.85, "per_image": false}', wrt=[0]),
        case([np.exp(logs), depths], '{"log_predictions": false, "variance_focus": 1}', exhaustive=True),
        case([np.exp(logs), depths], '{"log_predictions": false, "floor": 0.7, "sqrt": true, "per_image": false}'),
        case([logs, holes], '{"min_depth": 0.5, "max_depth": 2}', wrt=[0]),
        case([logs, np.zeros_like(logs)], '{"sqrt": true}', wrt=[0]),
        case([logs * 0, np.ones_like(logs)], '{"sqrt": true}', wrt=[]),
        case([logs[:, 0, 0, 0], depths[:, 0, 0, 0]], '{"variance_focus": 0}'),
        case([np.where(logs > 0, 1e4, -1e4), depths], gradient_rtol=1e-3),
        case([np.zeros((0, 1, 2, 2)), np.zeros((0, 1, 2, 2))], '{"sqrt": true}', other_bottoms=()),
        case([np.zeros((0, 1, 2, 2)), np.zeros((0, 1, 2, 2))], '{"per_image": false}', other_bottoms=()),
    ],
}

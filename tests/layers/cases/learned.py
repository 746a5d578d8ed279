import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
maps = rng.standard_normal((3, 4, 2, 5))
drawn = '"filler": "gaussian", "filler_value": 0.5'

CASES = {
    "LearnedScale": [
        case([maps], f'{{{drawn}, "seed": 3}}', exhaustive=True),
        case([maps], f'{{"axes": [1, 3], {drawn}, "exponential": true}}', exhaustive=True),
        case([maps], '{"axes": [-1]}'),
        case([maps], '{"axes": [], "exponential": true}'),
        case([maps], '{"axes": [1, 2, 3], "filler": "uniform"}'),
        case([maps], '{"filler_value": 3, "min_value": 0.01, "max_value": 5}'),
        case([maps], '{"axes": [], "filler_value": -3, "min_value": 2}', learned=[]),
        case([maps[:1, :1, 0, 0]], '{"filler_value": -3}'),
        case([np.zeros((0, 4))], '{"filler": "xavier"}'),
    ],
    "LearnedShift": [
        case([maps], f"{{{drawn}}}", exhaustive=True),
        case([maps], f'{{"axes": [2, -1], {drawn}}}'),
        case([maps], '{"axes": [], "filler_value": 2}'),
        case([maps], '{"axes": [1, 2, 3], "filler": "uniform", "filler_value": 0.1}'),
        case([np.zeros((0, 4))]),
    ],
    "LearnedMatrix": [
        case([maps], "{diagonal: [2, 2.5, 3, 4]}"),
        case([maps[:1, :2, :1, :1]], "{diagonal: [2]}", exhaustive=True),
        case([maps], "{diagonal: [2, 3, 4], bias_term: false}"),
        case([maps[:, :, 0, 0]]),
        case([maps[:0]]),
    ],
    "LearnedParameter": [
        case([], f'{{"shape": [3, 4], {drawn}}}', exhaustive=True),
        case([maps], f'{{"shape": [2, 3], {drawn}}}', exhaustive=True),
        case([], '{"shape": [5], "filler": "uniform", "seed": 9}'),
        case([], '{"shape": [5, 2], "filler": "msra"}'),
        case([], '{"shape": []}'),
        case([np.zeros((0, 4))], '{"shape": [2]}'),
    ],
}

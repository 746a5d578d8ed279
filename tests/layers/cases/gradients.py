import numpy as np

from tests.layers.case import case
from tests.layers.cases.noise import TEST, maps, rows

ROWS = [maps, rows, rows[0, 0], np.zeros((0, 4)), 1e4 * maps]


def changed(x, param_str="", **options):
    """A case of a layer whose backward is not to be forward's gradient."""
    return case([x], param_str, wrt=[], **options)


CASES = {
    "GradientScale": [
        *(changed(x, "scale: -0.5") for x in ROWS),
        case([maps], "scale: 1"),
        changed(maps, "scale: 0", phase=TEST),
    ],
    "GradientReversal": [
        *(changed(x) for x in ROWS),
        changed(maps, "{'upper_bound': 0.7, 'alpha': 3, 'max_iter': 1000, 'start_iter': 400}", other_bottoms=()),
        changed(maps, "{'lower_bound': 0.2, 'max_iter': 10, 'start_iter': 10}"),
        changed(maps, "{'max_iter': 10, 'start_iter': 20}", phase=TEST),
        changed(maps, "{'threshold_iter': 1000}"),
    ],
    "GradientClip": [
        *(changed(x, "norm: 0.5") for x in ROWS),
        *(changed(x, "value: 0.5") for x in ROWS),
        changed(maps, "{'value': 0.8, 'norm': 1.0, 'per_sample': true}"),
        changed(rows[0], "{'norm': 1.0, 'per_sample': true}"),
        case([maps], "{'norm': 1000, 'value': 100}"),
    ],
    "StopGradient": [*(changed(x) for x in ROWS), changed(maps, phase=TEST)],
}

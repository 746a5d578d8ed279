import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
maps = rng.standard_normal((3, 4, 2, 5))
ties = np.array([[1.0, 1, 0], [2, 2, 2]])
# Differences move only one of the equal values, so they cannot see their shares.
tied = {"kink": 1.0, "kink_range": 2.0}


def reduced(operation, bottom=maps, axes="[2, 3]", **options):
    return case([bottom], f'{{"operation": "{operation}", "axes": {axes}}}', **options)


CASES = {
    "Permute": [
        case([maps], "order: [0, 2, 3, 1]", exhaustive=True),
        case([maps], "order: [3, 1]"),
        case([maps], "order: []"),
        case([rng.standard_normal(4)], "order: [0]"),
        case([np.zeros((0, 3, 2))], "order: [2, 0, 1]", other_bottoms=[np.ones((1, 3, 2))]),
    ],
    "Reverse": [
        case([maps], exhaustive=True),
        case([maps], "axis: -2"),
        case([rng.standard_normal(4)]),
        case([maps[:, :1]], "axis: 1"),
        case([np.zeros((0, 3))], "axis: 1"),
        case([maps, np.array([2, 0, 3, 1])[: maps.shape[1]]], wrt=[0], exhaustive=True, other_bottoms=()),
    ],
    "Tile": [
        case([maps[:, :, 0, 0], maps]),
        case([maps], "tiles: [1, 2, 3, 1]", exhaustive=True),
        case([maps[0, 0]], "tiles: [1, 1, 4]"),
        case([maps[:, :, :1, :1]], "shape: [0, 0, 3, 2]"),
        case([maps[:1]], "shape: [2, 8, 2, 5]"),
        case([maps[:, :1], maps], "axes: [1]"),
        case([maps[:, :1, :1, :1], maps], "axes: [2, -1]"),
        case([maps, maps]),
        case([np.zeros((0, 2)), np.zeros((0, 2, 3))]),
        case([np.zeros((2, 0))], "shape: [4, 0]", other_bottoms=[np.zeros((4, 0))]),
    ],
    "Reduce": [
        *(reduced(operation) for operation in ("mean", "sum", "max", "min", "norm", "logsumexp")),
        *(case([maps], f"{{operation: {o}, axes: [0, -1], keepdims: true}}") for o in ("mean", "max", "logsumexp")),
        reduced("sum", axes="[0, 1, 2, 3]", exhaustive=True),
        *(reduced(operation, ties, "[1]", **tied) for operation in ("max", "min")),
        reduced("norm", np.zeros((2, 3)), "[1]", **tied),
        *(reduced(o, 1e4 * maps, "[1]", gradient_atol=1e-5) for o in ("norm", "logsumexp", "max")),
        reduced("logsumexp", np.full((2, 3), -1e4), "[1]", gradient_atol=1e-5),
        *(reduced(o, np.zeros((2, 0)), "[1]") for o in ("mean", "sum", "norm")),
        *(reduced(o, np.zeros((0, 3)), "[1]") for o in ("mean", "max", "norm", "logsumexp")),
    ],
    "Gather": [
        case([maps, np.array([2, 0, 2, 1])], exhaustive=True),
        case([maps, np.array([[1, 0], [3, 3]])], "axis: 1"),
        case([maps, np.array([4, 4])], "axis: -1"),
        case([maps, np.array([[1, 0], [3, 3], [0, 2]])], "{axis: 1, batch_axes: 1}"),
        case([maps, np.array([[0], [4], [2]])], "{axis: 3, batch_axes: 1}"),
        case([maps, np.array([1])]),
        case([maps, np.zeros((0,), int)], other_bottoms=[maps, np.array([1])]),
        case([rng.standard_normal(5), np.array([[1, 0], [3, 3]])]),
        case([np.zeros((2, 0)), np.array([1, 1])]),
    ],
}

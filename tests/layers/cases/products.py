import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)


def normal(*shape):
    return rng.standard_normal(shape)


CASES = {
    "MatMul": [
        case([normal(3, 2, 4), normal(3, 4, 5)], exhaustive=True),
        case([normal(3, 4, 2), normal(3, 4, 5)], "transpose_a: true"),
        case([normal(3, 2, 4), normal(3, 5, 4)], "transpose_b: true"),
        case([normal(3, 4, 2), normal(3, 5, 4)], "{transpose_a: true, transpose_b: true}"),
        case([normal(3, 2, 4), normal(4, 5)]),
        case([normal(4, 5), normal(2, 3, 5, 2)]),
        case([normal(2, 1, 2, 4), normal(3, 4, 5)]),
        case([normal(2, 4), normal(5, 4)], "transpose_b: true"),
        case([normal(3, 1, 1), normal(3, 1, 1)]),
        case([normal(1, 6), normal(1, 1, 4, 3)], "{sizes: [2, 3, 4], transpose_b: true}", other_bottoms=()),
        case([normal(6), normal(3, 4)], "{sizes: [2, 3, 4], transpose_a: true}", other_bottoms=()),
        case([np.zeros((0, 2, 3)), np.zeros((0, 3, 2))]),
        case([np.zeros((2, 0)), np.zeros((0, 3))], other_bottoms=[np.zeros((4, 0)), np.zeros((0, 3))]),
    ],
    "OuterProduct": [
        case([normal(3, 2), normal(3, 4)], exhaustive=True),
        case([normal(3, 2), normal(3, 4)], "flatten: true"),
        case([normal(3, 2), normal(3, 4)], "as_map: true"),
        case([normal(2, 2, 1, 1), normal(2, 4, 1, 1)], "as_map: true"),
        case([normal(2, 2, 3, 2), normal(2, 4, 3, 2)]),
        case([normal(2, 2, 3, 2), normal(2, 4, 3, 2)], "flatten: true"),
        case([normal(1, 1), normal(1, 1)]),
        case([np.zeros((0, 2)), np.zeros((0, 3))]),
    ],
    "InnerProductBlob": [
        case([normal(3, 4), normal(2, 4)], exhaustive=True),
        case([normal(3, 2, 2), normal(5, 4, 1)]),
        case([normal(3, 2, 2), normal(5, 4)], "spatial_axes: false"),
        case([normal(1, 1), normal(1, 1, 1, 1)]),
        case([np.zeros((0, 4)), np.zeros((2, 4))], other_bottoms=()),
    ],
    "Axpy": [
        case([normal(3, 4, 1, 1), normal(3, 4, 2, 5), normal(3, 4, 2, 5)], exhaustive=True),
        case([normal(3, 4), normal(3, 4, 2), normal(3, 4, 2)]),
        case([normal(3, 4), normal(3, 4), normal(3, 4)]),
        case([normal(1, 1), normal(1, 1, 1, 1) * 1e4, normal(1, 1, 1, 1)]),
        case([np.zeros((0, 4)), np.zeros((0, 4, 2)), np.zeros((0, 4, 2))], other_bottoms=()),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(12)


def maps(*shape):
    return [rng.uniform(-1, 1, shape) for _ in range(2)]


FLOWNET = "pad: 4, kernel_size: 1, max_displacement: 4, stride_2: 2"
SMALL = "pad: 1, kernel_size: 1, max_displacement: 1"
apart = [rng.permutation(48).reshape(1, 2, 4, 6) / 24.0 for _ in range(2)]
apart[1] += 0.01  # no difference is 0

CASES = {
    "Correlation": [
        case(maps(2, 3, 5, 6), f"{{{FLOWNET}}}"),
        case(maps(1, 2, 3, 4), f"{{{SMALL}}}", exhaustive=True),
        case(maps(1, 2, 7, 8), "{pad: 2, kernel_size: 3, max_displacement: 2}"),
        case(maps(1, 2, 7, 9), "{pad: 3, kernel_size: 1, max_displacement: 3, stride_1: 2, stride_2: 1}"),
        case(maps(1, 2, 7, 9), "{pad: 4, kernel_size: 1, max_displacement: 4, stride_1: 2, stride_2: 2}"),
        case(maps(1, 2, 7, 9), "{pad: 2, kernel_size: 1, max_displacement: 3, stride_1: 2, stride_2: 3}"),
        case(apart, f"{{{SMALL}, correlation_type: subtract}}"),
        case(apart, "{kernel_size: 3, max_displacement: 0, correlation_type: subtract}"),
        case(maps(1, 1, 1, 1), "{kernel_size: 1, max_displacement: 0}"),
        case(maps(0, 2, 3, 4), f"{{{SMALL}}}"),
    ],
    "Correlation1D": [
        case(maps(2, 3, 2, 6), f"{{{FLOWNET}}}"),
        case(maps(1, 2, 3, 6), "{pad: 2, kernel_size: 1, max_displacement: 2, single_direction: -1}"),
        case(maps(1, 2, 3, 6), "{pad: 2, kernel_size: 1, max_displacement: 2, single_direction: 1}"),
        case(maps(1, 2, 5, 7), "{pad: 2, kernel_size: 3, max_displacement: 2, stride_1: 2}"),
        case(apart, f"{{{SMALL}, correlation_type: subtract}}"),
        case(maps(0, 2, 3, 4), f"{{{SMALL}}}"),
    ],
}

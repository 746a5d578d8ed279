import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(23)
video = rng.permutation(2 * 2 * 4 * 3 * 5).reshape(2, 2, 4, 3, 5) / 60.0  # all different: no ties

CASES = {
    "NdPooling": [
        case([video], "{kernel_size: [2, 2, 2], stride: [2, 2, 2]}", exhaustive=True),
        case([video], "{kernel_size: [1, 2, 2], stride: [1, 2, 2], pool: ave}", exhaustive=True),
        case([video], "{kernel_size: [3], stride: [2], pad: [1]}"),
        case([video], "{kernel_size: [3, 3, 2], stride: [1, 2, 2], pad: [1, 1, 0], pool: ave}"),
        case([video], "{global_pooling: true, pool: ave}"),
        case([video], "{global_pooling: true}"),
        case([video], "{kernel_size: [1]}"),
        case([video[:, :, 0]], "{kernel_size: [2], stride: [2], round_mode: floor}"),
        case([video], "{kernel_size: [3], stride: [2], pad: [1], pool: ave, round_mode: floor}"),
        case([video[:, :, 0]], "{kernel_size: [1, 2], stride: [2, 3]}"),
        case([video[:, :, 0, 0]], "{kernel_size: [6], stride: [2]}"),
        case([1e4 * video], "{kernel_size: [2]}", gradient_atol=1e-5),
        case([np.zeros((2, 1, 2, 2, 2))], "{kernel_size: [2]}", wrt=[]),
        case([video[:0]], "{kernel_size: [2]}", other_bottoms=[video]),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)

CASES = {
    "ChannelShuffle": [
        case([rng.standard_normal((3, 6, 2, 3))], "groups: 2", exhaustive=True),
        case([rng.standard_normal((2, 6))], "groups: 3"),
        case([rng.standard_normal((2, 4, 5))]),
        case([np.ones((1, 4, 1, 1))], "groups: 4"),
        case([np.zeros((0, 4, 2, 2))], "groups: 2"),
    ],
    "PixelShuffle": [
        case([rng.standard_normal((2, 8, 3, 2))], "upscale: 2", exhaustive=True),
        case([rng.standard_normal((2, 8, 3, 2))], "{upscale: 2, channel_order: block}"),
        case([rng.standard_normal((1, 32, 2, 3))], "{upscale: 2, channel_order: darknet}"),
        case([rng.standard_normal((1, 9, 1, 1))], "upscale: 3"),
        case([rng.standard_normal((2, 3, 2, 2))], "upscale: 1"),
        case([np.zeros((0, 4, 2, 2))], "upscale: 2"),
    ],
    "SpaceToDepth": [
        case([rng.standard_normal((2, 2, 6, 4))], "block: 2", exhaustive=True),
        case([rng.standard_normal((2, 2, 6, 4))], "{block: 2, channel_order: block}"),
        case([rng.standard_normal((2, 8, 6, 4))], "{block: 2, channel_order: darknet}"),
        case([rng.standard_normal((1, 1, 3, 3))], "block: 3"),
        case([np.zeros((0, 4, 2, 2))], "{block: 2, channel_order: darknet}"),
    ],
}

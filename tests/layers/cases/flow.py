import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(13)
maps = rng.uniform(-1, 1, (2, 3, 4, 5))
# Fractions far enough from 0 and 1, where the slope has a step.
flow = rng.randint(-3, 4, (2, 2, 4, 5)) + rng.uniform(0.2, 0.8, (2, 2, 4, 5))
places = flow + rng.randint(0, 4, (2, 2, 4, 5))

CASES = {
    "FlowWarp": [
        case([maps, flow]),
        case([maps[:1, :1, :2, :2], flow[:1, :, :2, :2]], exhaustive=True),
        case([maps, flow * 0], wrt=[0]),
        case([maps, flow * 0 + 0.25]),
        case([maps, flow + 100], "{}"),
        case([maps, flow * 1e4], "{}", wrt=[0]),
        case([maps[:, :, :1, :1], flow[:, :, :1, :1] * 0.1]),
        case([maps, flow * 0], "{fill_value: not_a_number}", wrt=[0]),
        case([maps[:0], flow[:0]]),
    ],
    "Warp": [
        case([maps, places]),
        case([maps[:1, :1, :2, :2], places[:1, :, :2, :2] % 2 - 0.5], exhaustive=True),
        case([maps, places[:, :, :3]]),
        case([maps, np.concatenate([places, places], 3)]),
        case([maps, places * 0], wrt=[0]),
        case([maps, places * 1e4], wrt=[0]),
        case([maps, places[:, :, :0]]),
        case([maps[:0], places[:0]]),
    ],
    "PixelGrid": [
        case([maps], wrt=[]),
        case([maps[:1, :1, :1, :1]], wrt=[]),
        case([maps[:0]], wrt=[]),
        case([maps[:, :0]], wrt=[]),
    ],
}

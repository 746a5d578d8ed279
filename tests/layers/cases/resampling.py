import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(14)
maps = rng.uniform(-1, 1, (2, 3, 6, 7))
nan = maps.copy()
nan[:, 0, 1, 2] = nan[:, 1, 5, 5] = np.nan

CASES = {
    "Resample": [
        case([maps[:1, :1], np.zeros((1, 1, 2, 3))], exhaustive=True),
        case([maps], "{size: [3, 4]}"),
        case([maps], "{size: [3, 4], mode: bicubic}"),
        case([maps], "{size: [3, 4], mode: nearest}"),
        case([maps], "{size: [3, 4], antialias: false}"),
        case([maps], "{size: [12, 9]}"),
        case([maps], "{size: [3, 9], legacy_offsets: true}"),
        case([maps], "{size: [9, 3], mode: bicubic, legacy_offsets: true, antialias: false}"),
        case([maps], "{size: [6, 7]}"),
        case([maps[:, :, :1, :1]], "{size: [1, 1]}"),
        case([maps[:0]], "{size: [3, 4]}"),
    ],
    "Downsample": [
        case([maps[:1, :1], np.zeros((1, 1, 2, 3))], exhaustive=True),
        case([maps], "{size: [3, 4]}"),
        case([nan], "{size: [3, 4]}", wrt=[]),
        case([maps], "{size: [6, 3]}"),
        case([maps], "{size: [6, 7]}"),
        case([maps[:, :, :1, :1]], "{size: [1, 1]}"),
        case([maps[:0]], "{size: [3, 4]}"),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
maps, label_maps = rng.standard_normal((2, 3, 4, 5)), rng.randint(0, 9, (2, 1, 4, 5))
like, small = rng.standard_normal((2, 1, 9, 7)), rng.standard_normal((1, 2, 2, 4))

WAYS = [
    '"size": [7, 3]',
    '"size": [4, 9], "coordinates": "half_pixel"',
    '"size": [1, 1], "coordinates": "asymmetric"',
    '"zoom_factor": 3',
    '"shrink_factor": 2, "coordinates": "half_pixel"',
    '"size": [4, 5], "pad_beg": -1, "pad_end": -2',
    '"zoom_factor": 2, "shrink_factor": 3, "coordinates": "asymmetric"',
]

CASES = {
    "ResizeFeatures": [
        case([maps, like], exhaustive=True),
        case([maps, small], '{"coordinates": "half_pixel"}', exhaustive=True),
        *(case([maps], f"{{{way}}}", exhaustive=True) for way in WAYS),
        case([maps], '{"mode": "nearest", "zoom_factor": 2, "coordinates": "asymmetric"}', exhaustive=True),
        case([maps], '{"mode": "nearest", "size": [3, 9]}'),
        case([maps], '{"size": [4, 5]}'),
        case([rng.standard_normal((2, 1, 1))], '{"size": [2, 3]}'),
        case([rng.standard_normal((1, 1, 2, 300))], '{"size": [3, 290], "coordinates": "half_pixel"}'),
        case([np.full((2, 3, 4, 5), 1e4)], '{"zoom_factor": 2}', wrt=[]),
        case([np.zeros((0, 3, 4, 5))], '{"zoom_factor": 2}', wrt=[]),
        case([np.zeros((2, 3, 4, 5)), np.zeros((1, 1, 3, 0))], wrt=[]),
    ],
    "ResizeLabels": [
        case([label_maps, like], wrt=[]),
        case([label_maps[:, 0], small[:, 0]], '{"coordinates": "half_pixel"}', wrt=[]),
        *(case([label_maps], f"{{{way}}}", wrt=[]) for way in WAYS),
        case([label_maps], '{"size": [4, 5]}', wrt=[]),
        case([np.full((2, 1, 4, 5), 255)], '{"shrink_factor": 3}', wrt=[]),
        case([np.zeros((0, 1, 4, 5), int)], '{"zoom_factor": 2}', wrt=[]),
        case([np.zeros((2, 1, 4, 5), int), np.zeros((1, 1, 3, 0))], wrt=[]),
    ],
    "CropLike": [
        case([maps, small], exhaustive=True),
        case([maps, small], '{"offset": [1]}', other_bottoms=()),
        case([maps, small], '{"offset": [1, 0]}', exhaustive=True),
        case([maps, rng.standard_normal((7, 2, 4, 1))], '{"axis": 1}'),
        case([label_maps, small], '{"axis": -1, "offset": [1]}', wrt=[1]),
        case([maps, maps]),
        case([rng.rand(6), rng.rand(3)], '{"axis": 0}'),
        case([np.zeros((0, 3, 4, 5)), np.zeros((0, 3, 2, 2))], wrt=[]),
    ],
    "Uncrop": [
        case([small, maps], exhaustive=True),
        case([small, maps], '{"offset": [2, 0], "fill_value": 255}', exhaustive=True),
        case([small, maps], '{"offset": [1]}'),
        case([rng.standard_normal((2, 2, 4, 1)), maps], '{"axis": 1}'),
        case([label_maps, rng.standard_normal((2, 1, 6, 6))], '{"fill_value": 255}', wrt=[1]),
        case([maps, maps]),
        case([rng.rand(2), rng.rand(3)], '{"axis": 0}', other_bottoms=()),
        case([np.zeros((0, 3, 2, 2)), np.zeros((0, 3, 4, 5))], wrt=[]),
    ],
    "Pad": [
        case([maps], "{pad_t: 1, pad_r: 2}", exhaustive=True),
        case([maps[0, 0]], "{pad_b: 1, pad_l: 3, fill_value: -2}"),
        case([maps]),
        case([label_maps], "{pad_t: 1, fill_value: 255}", wrt=[]),
        case([maps[:0]], "{pad_t: 1}", wrt=[], other_bottoms=()),
    ],
}

import numpy as np

from tests.layers.case import case
from tests.layers.cases.boxes import boxes

rng = np.random.RandomState(7)
features = rng.standard_normal((2, 3, 4, 5))
small = "scales: [1, 2], ratios: [0.5, 1]"
im_info = np.array([[64, 80, 1.5], [60, 70, 1]])
gt = np.concatenate([boxes(3, 50.0), [[1], [2], [3]]], 1)
padded = np.zeros((2, 4, 5))
padded[0, :3], padded[1, 0] = gt, gt[1]
indexed = np.concatenate([[[0], [1], [1]], gt], 1)

CASES = {
    "Anchors": [
        case([features], wrt=[]),
        case([features], "{feat_stride: 8, scales: [1.5], ratios: [0.3, 3], offset: 0.5}", wrt=[]),
        case([features], "{legacy_plus_one: false, base_size: 1, scales: [0.1]}", wrt=[]),
        case([features, im_info[:1]], f"{{{small}, allowed_border: 4}}", tops=2, wrt=[]),
        case([features, [[64.0, 80.0]]], f"{{{small}}}", tops=2, wrt=[]),
        case([features[:1, :1, :1, :1]], wrt=[]),
    ],
    "AnchorTarget": [
        case([features[:1], gt, im_info[:1]], f"{{{small}}}", tops=4, wrt=[], other_bottoms=()),
        case([features, padded, im_info], f"{{{small}, RPN_POSITIVE_WEIGHT: 0.3}}", tops=4, wrt=[]),
        case([features, indexed, im_info[:1]], f"{{{small}, RPN_CLOBBER_POSITIVES: true}}", tops=4, wrt=[]),
        case([features[:1], gt[None], im_info[:1], features], f"{{{small}, allowed_border: 20}}", tops=4, wrt=[]),
        case(
            [features, padded, im_info],
            f"{{{small}, RPN_POSITIVE_OVERLAP: 0.4, RPN_NEGATIVE_OVERLAP: 0.1, RPN_BBOX_INSIDE_WEIGHTS: [1, 2, 0, 3]}}",
            tops=4,
            wrt=[],
        ),
        case([features, padded * 0, im_info], f"{{{small}}}", tops=4, wrt=[]),
        case([features[:1], gt[:0], im_info[:1]], f"{{{small}}}", tops=4, wrt=[], other_bottoms=()),
        case([features, padded, im_info], f"{{{small}, legacy_plus_one: false, RPN_BATCHSIZE: 100}}", tops=4, wrt=[]),
        case([features, padded, im_info], tops=4, wrt=[]),  # no anchor inside
        case([features, padded, im_info], f"{{{small}, RPN_BATCHSIZE: 8}}", tops=4, wrt=[], repeatable=False),
    ],
}

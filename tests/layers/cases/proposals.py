import numpy as np

from tests.layers.case import case
from tests.layers.cases.anchors import gt, im_info, indexed, padded
from tests.layers.cases.boxes import boxes

rng = np.random.RandomState(7)
scores = rng.permutation(2 * 8 * 4 * 5).reshape(2, 8, 4, 5) / 320.0
deltas = rng.uniform(-0.5, 0.5, (2, 16, 4, 5))
small = "scales: [1, 2], ratios: [0.5, 1]"

near = np.concatenate([gt[rng.randint(0, 3, 12), :4] + rng.uniform(-4, 4, (12, 4)), boxes(4, 50.0)])
rois = np.concatenate([np.zeros((16, 1)), near], 1)
of_two = np.concatenate([rng.randint(0, 2, (16, 1)), near], 1)


def apart(bottoms, param_str, **options):
    return case(bottoms, f"{{{param_str}}}", wrt=[], **options)


CASES = {
    "Proposal": [
        apart([scores[:1], deltas[:1], im_info[:1]], small, tops=2),
        apart([scores, deltas, im_info], small, phase=1, tops=2),
        apart([scores, deltas, im_info[:, :2]], f"{small}, RPN_POST_NMS_TOP_N: 9, RPN_PRE_NMS_TOP_N: 30"),
        apart([scores[:, :4], deltas, im_info[:1]], f"{small}, RPN_NMS_THRESH: 0.3, RPN_MIN_SIZE: 0", tops=2),
        apart([scores, deltas, im_info], f"{small}, RPN_MIN_SIZE: 30, exact_inverse: true"),
        apart([scores, deltas, im_info], f"{small}, RPN_MIN_SIZE: 1000", tops=2),  # none
        apart([scores, deltas * 0, im_info], f"{small}, RPN_MIN_SIZE: 0", tops=2),
        apart([scores * 2e4 - 1e4, deltas * 2e4, im_info], f"{small}, RPN_POST_NMS_TOP_N: 0", tops=2),
        apart([scores, deltas, im_info], f"{small}, legacy_plus_one: false, offset: 0.5", tops=2),
        apart([scores * 0, deltas, im_info], f"{small}, base_size: 8, feat_stride: 12", tops=2),  # ties
    ],
    "ProposalTarget": [
        apart([rois, gt], "num_classes: 4", tops=5),
        apart([of_two, padded], "num_classes: 5, BBOX_NORMALIZE_STDS: [0.1, 0.1, 0.2, 0.2]", tops=5),
        apart([of_two, indexed], "num_classes: 4, BBOX_NORMALIZE_MEANS: [0.1, 0, 0, 0.2], BG_THRESH_LO: 0", tops=5),
        apart([rois.reshape(16, 5, 1, 1), gt[None]], "num_classes: 4, class_agnostic: true", tops=5),
        apart([rois, gt], "num_classes: 4, FG_THRESH: 0.7, BG_THRESH_HI: 0.4, legacy_plus_one: false", tops=5),
        apart([rois, gt], "num_classes: 4, BBOX_INSIDE_WEIGHTS: [1, 2, 0, 3], FG_FRACTION: 0.5", tops=5),
        apart([rois, gt[:0]], "num_classes: 4, BG_THRESH_LO: 0", tops=5),
        apart([rois, gt[:0]], "num_classes: 4", tops=5),  # none
        apart([rois[:0], gt[:1]], "num_classes: 4", tops=5),
        apart([of_two, padded], "num_classes: 4, BATCH_SIZE: 4", tops=5, repeatable=False),
    ],
}

import numpy as np

from tests.layers.case import case
from tests.layers.cases.proposals import of_two, rois

rng = np.random.RandomState(9)


def maps(channels, height=4, width=5, images=2):
    return rng.standard_normal((images, channels, height, width))


def found(bottoms, text, **options):
    more = [np.concatenate([bottom, bottom]) for bottom in bottoms]
    return case(bottoms, f"{{{text}}}", tops=2, wrt=[], other_bottoms=more, **options)


ONE = "field_w: [26], field_h: [34], stride: [8]"
TWO = "field_w: [26, 42], field_h: [34, 50], stride: [8, 16]"
GROUP = "field_w: [[26, 42]], field_h: [[34, 22]], stride: [8]"
deltas = 0.3 * rng.standard_normal((16, 8))
overlaps = np.concatenate([rng.rand(16, 4), np.linspace(0.1, 1, 16)[:, None]], 1)
scores = np.random.RandomState(11).rand(16, 3)
sizes = np.array([[60.0, 80.0]])


def detected(bottoms, text="", **options):
    return case(bottoms, f"{{{text}}}", wrt=[], other_bottoms=[*(x[:9] for x in bottoms[:3]), bottoms[3]], **options)


CASES = {
    "BoxOutput": [
        found([maps(7)], ONE),
        found([maps(6), maps(6, 2, 3)], f"{TWO}, conf_thr: -1, iou_thr: 0.3, max_nms_num: 30, max_post_nms_num: 4"),
        found([maps(6)], f"{ONE}, field_whr: 8, field_xyr: 1, min_size: 3, bbox_std: [0.1, 0.1, 0.2, 0.2]"),
        found([maps(6)], f"{ONE}, bbox_mean: [0.1, 0, 0.2, 0], iou_thr: 1"),
        found([maps(6)], f"{ONE}, conf_thr: 100"),  # none at all
        found([maps(6) * 0], ONE),  # ties
        found([maps(6)[:1, :, :1, :1]], ONE),
        found([maps(6) * 1e4], ONE),
        found([maps(6)[:0]], ONE),
    ],
    "BoxGroupOutput": [
        found([rng.rand(4, 2, 4, 5), maps(4, images=4)], f"{GROUP}, conf_thr: 0.3"),
        found([rng.rand(2, 1, 4, 5), maps(4)[:2]], f"{GROUP}, field_whr: 8, min_size: 0, max_nms_num: 9"),
        found(
            [rng.rand(4, 2, 4, 5), maps(4, images=4), rng.rand(2, 2, 2, 3), maps(4, 2, 3)],
            "field_w: [[26, 42], [60]], field_h: [[34, 22], [60]], stride: [8, 16], max_post_nms_num: 5",
        ),
        found([rng.rand(4, 2, 4, 5), maps(4, images=4)], f"{GROUP}, conf_thr: 2"),  # none at all
        found([np.zeros((2, 2, 4, 5)), 0 * maps(4)], GROUP),  # ties
        found([rng.rand(4, 2, 4, 5), maps(4, images=4) * 1e4], GROUP),
    ],
    "DecodeBBox": [
        case([deltas, rois], "{bbox_std: [0.1, 0.1, 0.2, 0.2]}", wrt=[]),
        case([deltas, rois.reshape(16, 5, 1, 1)], "{bbox_mean: [0.1, 0, 0.2, 0]}", wrt=[], phase=1),
        case([deltas.reshape(16, 8, 1, 1), rois, overlaps], wrt=[]),
        case([deltas, rois, overlaps], "{gt_iou_thr: 0.5}", wrt=[]),
        case([deltas[:1], rois[:1]], wrt=[]),
        case([deltas * 1e3, rois], wrt=[], phase=1),
    ],
    "FrcnnOutput": [
        detected([scores, 0.1 * np.tile(deltas, 2)[:, :12], rois, sizes]),
        detected([scores, deltas, rois, sizes], "cls_aware: false, conf_thr: 0.6, bbox_std: [0.1, 0.1, 0.2, 0.2]"),
        detected([scores[:, :, None, None], deltas, rois, sizes], "cls_aware: false, iou_thr: 0.1, max_det_num: 3"),
        detected([scores, deltas, rois, sizes], "cls_aware: false, conf_thr: 2"),  # none at all
        detected([scores * 0, deltas * 1e3, rois, sizes], "cls_aware: false, bbox_mean: [0.1, 0, 0, 0]"),
        detected([scores, deltas, of_two, np.repeat(sizes, 2, 0)], "cls_aware: false, iou_thr: 1"),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(21)
N, P, C = 2, 8, 3
centres = np.stack(np.meshgrid([0.25, 0.75], [0.25, 0.75]), -1).reshape(-1, 1, 2)
half = np.array([[0.2, 0.2], [0.3, 0.15]])
boxes = np.concatenate([centres - half, centres + half], -1).reshape(-1)
priors = np.stack([boxes, np.tile([0.1, 0.1, 0.2, 0.2], P)])[None]  # some reach beyond the image
objects = np.array(
    [
        [0, 1, 0, 0.05, 0.06, 0.44, 0.47, 0],
        [0, 2, 1, 0.5, 0.4, 0.98, 0.9, 0],
        [1, 2, 0, 0.1, 0.6, 0.5, 0.9, 1],
        [1, 1, 1, 0.62, 0.55, 0.97, 0.93, 0],
        [-1, 0, 0, 0, 0, 0, 0, 0],
    ]
)[None, None]
locations, by_class = rng.uniform(-1, 1, (N, P * 4)), rng.uniform(-1, 1, (N, P * C * 4))
scores = rng.permutation(N * P * C).reshape(N, P * C) / 9.0
arm = rng.rand(N, P * 2), rng.uniform(-0.5, 0.5, (N, P * 4))
bottoms = [locations, scores, priors, objects]


def loss(text="", *given, **options):
    return case(list(given or bottoms), f"{{num_classes: 3{text and ', ' + text}}}", wrt=[0, 1], **options)


CENTRE, BY_CLASS = "code_type: center_size", "share_location: false, mining_type: none"
CASES = {
    "MultiBoxLoss": [
        loss(CENTRE, exhaustive=True),
        loss("code_type: corner_size, loc_loss_type: l2, loc_weight: 0.5, match_type: bipartite, normalization: batch"),
        loss("encode_variance_in_target: true, conf_loss_type: logistic, overlap_threshold: 0.3, normalization: none"),
        loss(f"{CENTRE}, mining_type: none, bp_inside: true, use_difficult_gt: false, normalization: full"),
        loss(f"{CENTRE}, mining_type: hard_example, sample_size: 5"),
        loss(f"{CENTRE}, nms_threshold: 0.1, top_k: 6, neg_pos_ratio: 6, ignore_cross_boundary_bbox: true"),
        loss(f"{CENTRE}, nms_threshold: 0.1, use_prior_for_nms: true, neg_overlap: 0.2", *bottoms, *arm),
        loss(f"{BY_CLASS}, conf_loss_type: logistic", by_class, *bottoms[1:]),
        loss(f"{CENTRE}, {BY_CLASS}, use_prior_for_matching: false", by_class, *bottoms[1:]),
        loss(CENTRE, *bottoms[:3], objects[:, :, 4:]),  # no object
        loss(CENTRE, locations[:0], scores[:0], priors, objects[:, :, 4:]),
        loss(CENTRE, locations * 1e4, scores * 1e4, *bottoms[2:], gradient_atol=1e-2),
    ],
}

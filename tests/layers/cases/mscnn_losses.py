import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)


def labels(images, height=3, width=4, classes=3, objects=0.3):
    """Class, x and y of a centre, w, h, IoU at each cell."""
    found = rng.uniform(0.5, 9, (images, 6, height, width)) * [[[1]], [[4]], [[3]], [[2]], [[2]], [[0.1]]]
    found[:, 0] = rng.randint(1, classes, found[:, 0].shape) * (rng.rand(*found[:, 0].shape) < objects)
    return found


def maps(channels, images, height=3, width=4, size=0.2):
    found = size * rng.standard_normal((images, channels, height, width))
    return found.clip(-0.45, 0.45) if size < 1 else found  # within the bounds by default


def one(text, classes=3, images=2, size=0.2, truth=None, **options):
    bottoms = [maps(classes + 4, images, size=size), labels(images, classes=classes) if truth is None else truth]
    text = f"{{num_classes: {classes}, field_w: [9], field_h: [7], stride: 8, {text}}}"
    return case(bottoms, text, tops=2, wrt=options.pop("wrt", [0]), **options)


def several(text, classes=2, images=2, size=0.2, truth=None, **options):
    truth = labels(2 * images, classes=3) if truth is None else truth
    bottoms = [maps(classes, len(truth)), maps(4, len(truth), size=size), truth]
    text = f"{{num_classes: {classes}, field_w: [9, 15], field_h: [7, 12], stride: 8, objectness: true, {text}}}"
    more = [np.concatenate([each, each]) for each in bottoms]
    return case(bottoms, text, tops=2, wrt=options.pop("wrt", [0, 1]), other_bottoms=more, **options)


none = labels(2, objects=0)
ignored = np.where(np.arange(6)[:, None, None] == 0, 255, labels(2))
ALL = "sample_mode: all"
STD = "bbox_std: [0.5, 0.5, 0.7, 0.7], bbox_mean: [0.1, 0, 0, 0.1]"
NARROW = "field_xyr: 8, field_whr: 1.5"  # deltas of a size of 1 cross these bounds
BATCH = "batch_size: 40, bg_multiple: 1"

CASES = {
    "DetectionLoss": [
        one(ALL),
        one("sample_mode: bootstrap, bg_multiple: 1, bg_threshold: 0.6, pos_neg_weighted: true"),
        one(f"{ALL}, {STD}, loc_weight: 0.5, bbox_loss_type: Euclidean_L2"),
        one(f"{ALL}, objectness: true, {NARROW}", classes=2, size=1, truth=labels(2)),
        one(f"{ALL}, ignore_label: 255", truth=ignored),
        one(f"{ALL}, pos_neg_weighted: true", truth=none),
        one("sample_mode: random, pos_neg_weighted: true", wrt=[], repeatable=False),
        one("sample_mode: mixture, bg_multiple: 2, legacy_gradient: true", wrt=[], repeatable=False),
        one(ALL, size=1e4, wrt=[]),
        one(ALL, truth=labels(0), images=0),
    ],
    "DetectionGroupLoss": [
        several("bg_multiple: 50"),
        several("neg_mining_type: bootstrap, min_num_neg: 2, bg_multiple: 1, pos_neg_weighted: true"),
        several(f"{BATCH}, {STD}, field_xyr: 1, field_whr: 8, loc_weight: 2", truth=labels(4, objects=0.1)),
        several(f"{BATCH}, {NARROW}", size=1),
        several("bg_multiple: 50, bbox_loss_type: Euclidean_L2, bg_threshold: 0.7"),
        several("batch_size: 9", wrt=[], repeatable=False),
        several("batch_size: 9, neg_mining_type: mixture, legacy_gradient: true", wrt=[], repeatable=False),
        several("batch_size: 99, ignore_label: 255", truth=ignored),
        several("pos_neg_weighted: true, bg_multiple: 50, min_num_neg: 99", truth=none),
        several("batch_size: 99", truth=labels(0)),
    ],
}

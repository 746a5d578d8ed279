import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(15)
source, target = rng.standard_normal((4, 3)), 0.5 + rng.standard_normal((6, 3))
maps = [rng.standard_normal((n, 2, 2, 1)) for n in (3, 4)]


def shares(n, classes=3):
    p = rng.rand(n, classes) + 0.1
    return p / p.sum(1, keepdims=True)


predictions = [shares(4), shares(6)]
p = shares(5, 4)


def pairs(bottoms, text="", **options):
    return case(bottoms, f"{{{text}}}", other_bottoms=[x[:3] for x in bottoms], **options)


CASES = {
    "MMDLoss": [
        pairs([source, target], "pairs: all", exhaustive=True),
        pairs([source, target], "seed: 3", repeatable=False),
        pairs(maps, "kernel_num: 4, kernel_mul: 3, seed: 1", repeatable=False),
        pairs([source, target], "pairs: all, gamma: 0.5, kernel_num: 1"),
        case([source, target], "{pairs: all, fix_gamma: true}", wrt=[], other_bottoms=()),
        pairs([source, target], "pairs: all, legacy_gradient: true", wrt=[]),
        case([source[:1], target], "pairs: all"),
        case([source[:0], target[:0]], "pairs: all"),
        case([0 * source[:2], 0 * target[:2]], "pairs: all"),
        case([1e4 * source, 1e4 * target], "{pairs: all, gamma: 1}"),
    ],
    "JMMDLoss": [
        pairs([source, target, *predictions], "pairs: all", exhaustive=True),
        pairs([source, target, *predictions], "seed: 3, sigma: 1.68, label_kernel_num: 1", repeatable=False),
        pairs([source, target, *predictions], "pairs: all, label_kernel_num: 4, sigma: 0.5, gamma: 0.2"),
        pairs([source, target, *predictions], "pairs: all, legacy_gradient: true, sigma: 1", wrt=[]),
        case([source[:1], target, predictions[0][:1], predictions[1]], "pairs: all"),
        case([x[:0] for x in (source, target, *predictions)], "pairs: all"),
    ],
    "EntropyLoss": [
        case([p], exhaustive=True),
        case([p], "{normalization: none, threshold: 0.2}"),
        case([rng.rand(2, 3, 2, 2) / 3 + 0.01], "normalization: full"),
        case([p], "threshold_iter: 1000"),
        case([np.eye(3)], wrt=[]),
        case([p[:1, :1]]),
        case([p[:0]]),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(4)
x, w = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
maps = rng.standard_normal((2, 3, 2, 2))
distances = rng.uniform(0.1, 2.9, (6, 4))
labels = np.array([0, 1, 0, 3, 1, 2])


def of_classes(extra):
    return [
        case([distances, labels], extra, exhaustive=True),
        case([distances.reshape(6, 4, 1, 1), labels.reshape(6, 1)], extra, tops=2, wrt=[]),
        case([distances, labels, rng.rand(6)], f"{{hardest_only: true, {extra[1:]}"),
        case([distances, labels], f"{{positive_upper_bound: 1.5, positive_weight: 0.5, {extra[1:]}"),
        case([distances, labels], f"{{ignore_label: 1, normalization: valid, negative_weight: 2, {extra[1:]}"),
        case([distances, 0 * labels], f"{{ignore_label: 0, {extra[1:]}"),
        case([0 * distances + 0.3, labels], f"{{hardest_only: true, {extra[1:]}", wrt=[]),
        case([1e4 * distances, labels], extra, gradient_atol=1e-6),
        case([distances[:, :1], 0 * labels], extra, tops=2, wrt=[]),
        case([distances[:0], labels[:0]], extra, wrt=[], other_bottoms=[distances, labels]),
    ]


CASES = {
    "InnerDistance": [
        case([x], "{num_classes: 4}", exhaustive=True),
        case([x], "{num_classes: 4, p: 1, filler: gaussian, filler_value: 1}", exhaustive=True),
        case([x], "{num_classes: 4, normalize: true, filler: gaussian_unitball}", repeatable=False),
        case([x, w], exhaustive=True),
        case([maps, rng.standard_normal((4, 3, 2, 2))]),
        case([maps, rng.standard_normal((4, 2))], "{axis: -1, p: 1}"),
        case([x, w, labels[:5]], "{update_center_only: true}", wrt=[0]),
        case([8 + x, 8 + w]),
        case([x, w[:1]]),
        case([x[:0], w], wrt=[], other_bottoms=[x, w]),
    ],
    "ClassTripletLoss": [
        *of_classes("{margin: 0.7}"),
        *of_classes("{margin: 0.7, add_center_loss: true}")[2:5],
        case([distances, labels], "{margin: 0.8, hardest_only: true, legacy_version: true}", wrt=[]),
    ],
    "ClassContrastiveLoss": [
        *of_classes("{negative_margin: 1.6}"),
        case([distances, labels], "{exp_negative_weight: true, hardest_only: true}"),
        case([distances, labels], "{positive_margin: 0.5, positive_outlier_thresh: 1}"),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(14)
labels = rng.randint(0, 4, 6)
label_maps = rng.randint(0, 4, (3, 1, 2, 5))
scores = 2 * rng.standard_normal((6, 4))
maps = 2 * rng.standard_normal((3, 4, 2, 5))
targets = rng.randint(0, 2, (6, 4))
target_maps = rng.randint(0, 2, (3, 4, 2, 5))
soft = 0.1 + 0.8 * rng.rand(6, 4)
far = np.array([[1e4, -1e4, 0], [-1e4, 9e3, 1e4]])
weights = '"class_weights": [0.5, 2, 0.1, 1]'
rois = np.concatenate([np.array([[1], [0], [1], [1], [0], [2]]), 99 * rng.rand(6, 4)], 1)
losses = rng.permutation(6) / 4


def annotate(text='{"roi_per_img": 2}', axes=()):
    bottoms = [rois, losses[:, None], labels[:, None], rng.rand(6, 8)]
    for i, array in enumerate(bottoms):
        bottoms[i] = np.broadcast_to(array.reshape(*array.shape, *(1,) * len(axes)), (*array.shape, *axes)).copy()
    bottoms[1] += 10 * rng.permutation(bottoms[1].size).reshape(bottoms[1].shape)
    return case(bottoms, text, tops=2, wrt=[])


CASES = {
    "SoftmaxOHEMLoss": [
        case([scores, labels], '{"kept_ratio": 0.5}', exhaustive=True),
        case([maps, label_maps], '{"top_k": 7, "ignore_label": 2}', tops=2),
        case([maps, label_maps[:, 0]], '{"top_k": 4, "per_image": true, "normalization": "batch"}', tops=2),
        case([maps, label_maps, rng.rand(3, 1, 2, 5)], f'{{"threshold": 0.3, {weights}, "normalization": "weights"}}'),
        case([maps, label_maps], '{"threshold": 0.01, "min_kept": 6, "per_image": true}', tops=2),
        case(
            [maps, label_maps, rng.rand(3) + 0.1], '{"negative_ratio": 1.5, "per_image": true, "background_label": 3}'
        ),
        case([scores, labels.reshape(6, 1, 1, 1)], '{"negative_ratio": 0, "min_kept": 1, "normalization": "full"}'),
        case([np.moveaxis(maps, 1, -1), label_maps[:, 0]], '{"kept_ratio": 0.3, "axis": -1, "normalization": "none"}'),
        case([scores, np.full(6, 255)], '{"top_k": 3, "ignore_label": 255}', tops=2),
        case([np.zeros((6, 4)), labels], '{"top_k": 2}', wrt=[], tops=2),
        case([far, [0, 0]], '{"top_k": 1}', wrt=[0]),
        case([scores[:1, :1], [0]], '{"threshold": 1}'),
        case([scores[:0], labels[:0]], '{"kept_ratio": 0.5, "per_image": true}', wrt=[]),
    ],
    "SigmoidOHEMLoss": [
        case([scores, targets], '{"kept_ratio": 0.5}', exhaustive=True),
        case([maps, target_maps], '{"top_k": 7, "ignore_label": 0}', tops=2),
        case([maps, label_maps, rng.rand(3)], '{"negative_ratio": 3, "targets": "classes", "ignore_label": 2}', tops=2),
        case([maps, target_maps.reshape(3, -1)], '{"negative_ratio": 0.5, "per_image": true}', tops=2),
        case([maps, target_maps, rng.rand(3, 1, 2, 5)], f'{{"threshold": 0.3, {weights}, "normalization": "weights"}}'),
        case([maps, target_maps, rng.rand(3) + 0.1], '{"top_k": 3, "per_image": true, "normalization": "batch"}'),
        case([scores, soft], '{"threshold": 0.4, "min_kept": 20, "normalization": "full"}', wrt=[0, 1]),
        case([scores, soft, soft[:1]], f'{{"top_k": 9, {weights}}}', wrt=[0, 1, 2]),
        case([scores, np.full((6, 4), -1)], '{"top_k": 3, "ignore_label": -1}', tops=2),
        case([far, [[1, 0, 1], [1, 0, 0]]], '{"top_k": 3, "normalization": "none"}', wrt=[0]),
        case([scores[:0], targets[:0]], '{"kept_ratio": 0.5}', wrt=[]),
    ],
    "BoxAnnotatorOHEM": [
        annotate(),
        annotate('{"roi_per_img": 1, "ignore_label": 255}'),
        annotate('{"roi_per_img": 9}'),
        annotate(axes=(1, 1)),
        annotate('{"roi_per_img": 3}', axes=(2, 3)),
        case([rois[:0], losses[:0], labels[:0], rng.rand(0, 8)], '{"roi_per_img": 1}', tops=2, wrt=[]),
    ],
}

import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)


def boxes(count, size=40.0):
    """Boxes with corners at no round numbers, a third of the size or less."""
    corners = rng.uniform(0, size, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(3, size / 3, (count, 2))], 1)


def rois(count, images=1):
    return np.concatenate([rng.randint(0, images, (count, 1)), boxes(count)], 1)


edges = "{legacy_plus_one: false}"
coded = "{means: [0.1, 0, 0, 0.2], stds: [0.1, 0.1, 0.2, 0.2]}"
deltas = rng.uniform(-0.5, 0.5, (6, 12))
large = deltas * 20
im_info = np.array([[45, 40, 1.5], [30, 35, 1]])

CASES = {
    "BoxEncode": [
        case([boxes(5), boxes(5)], exhaustive=True),
        case([boxes(5) / 40, boxes(5) / 40], edges),
        case([rois(5), boxes(5)], coded, wrt=[1]),
        case([rois(5).reshape(5, 5, 1, 1), boxes(5).reshape(1, 1, 5, 4)], wrt=[1], other_bottoms=()),
        case([boxes(1), boxes(1)]),
        case([boxes(0), boxes(0)]),
    ],
    "BoxDecode": [
        case([boxes(6), deltas], exhaustive=True),
        case([boxes(6), deltas], "exact_inverse: true"),
        case([boxes(6) / 40, deltas[:, :4]], edges),
        case([boxes(6), deltas.reshape(6, 12, 1, 1)], coded),
        case([rois(6), deltas, im_info[:1]], wrt=[1]),
        case([rois(6, 2), deltas, im_info[:, :2]], wrt=[1]),
        case([boxes(6), large], wrt=[]),
        case([boxes(6), large * 1e4, im_info[:1]], wrt=[]),
        case([boxes(0), deltas[:0]]),
    ],
    "BoxIoU": [
        case([boxes(7), boxes(5)], exhaustive=True),
        case([boxes(7) / 40, boxes(5) / 40], edges, exhaustive=True),
        case([rois(7), rois(3)], wrt=[]),
        case([np.zeros((2, 4)), np.zeros((3, 4))], edges, wrt=[]),
        case([np.repeat(boxes(1), 3, 0), boxes(2)], exhaustive=True),
        case([boxes(3), boxes(0)], wrt=[]),
        case([boxes(0), boxes(3)], wrt=[]),
    ],
}

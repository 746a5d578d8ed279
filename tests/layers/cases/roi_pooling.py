import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
# Steps of 0.1, shuffled: a change too small to pass another value.
maps = rng.permutation(2 * 3 * 6 * 7).reshape(2, 3, 6, 7) / 10.0
rois = np.array(
    [[0, 0, 0, 90, 90], [1, 17, 5, 60, 71], [1, 40, 40, 40, 40], [0, -30, 20, 50, 300], [0, 200, 200, 300, 300]],
    float,
)


def pool(bottoms, more="", size=(3, 2), **options):
    text = f"{{pooled_h: {size[0]}, pooled_w: {size[1]}, spatial_scale: 0.0625{more}}}"
    return case(bottoms, text, wrt=[0], **options)


CASES = {
    "ROIPooling": [
        pool([maps, rois], exhaustive=True),
        pool([maps, rois.reshape(5, 5, 1, 1)], size=(7, 7)),
        pool([maps, rois], size=(1, 1)),
        pool([maps, rois], ", pad_ratio: 0.25"),
        pool([maps, rois[2:3]]),
        case([maps, rois / [1, 16, 16, 16, 16]], "{pooled_h: 2, pooled_w: 2}", wrt=[0]),
        pool([maps[:1, :1, :1, :1], rois[:1]]),
        case([np.ones((1, 2, 5, 5)), rois[:1]], "{pooled_h: 2, pooled_w: 2, spatial_scale: 0.0625}", wrt=[]),  # ties
        pool([(maps - 10) * 1e3, rois]),
        pool([maps, rois[:0]]),
    ],
    "ROIAlign": [
        pool([maps, rois], exhaustive=True),
        pool([maps, rois], ", sampling_ratio: 2"),
        pool([maps, rois], ", sampling_ratio: 3, aligned: true"),
        pool([maps, rois], ", aligned: true"),
        pool([maps, rois.reshape(5, 5, 1, 1)], ", sampling_ratio: 1", size=(7, 7)),
        pool([maps, rois[2:3]], ", aligned: true"),  # no width
        case([maps, rois / [1, 16, 16, 16, 16]], "{pooled_h: 2, pooled_w: 2}", wrt=[0]),
        pool([maps[:1, :1, :1, :1], rois[:1]]),
        pool([(maps - 10) * 1e3, rois]),
        pool([maps, rois[:0]]),
    ],
}

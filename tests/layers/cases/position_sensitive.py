import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
maps = rng.standard_normal((2, 18, 6, 7))  # two channels of 3 x 3 bins
rois = np.array(
    [[0, 0, 0, 90, 90], [1, 17, 5, 60, 71], [1, 40, 40, 40, 40], [0, -30, 20, 50, 300], [0, 200, 200, 300, 300]],
    float,
)


def pool(bottoms, more="", dims=2, size=3, **options):
    text = f"{{output_dim: {dims}, group_size: {size}, spatial_scale: 0.0625{more}}}"
    return case(bottoms, text, wrt=[0], **options)


COMMON = [
    pool([maps, rois], exhaustive=True),
    pool([maps, rois.reshape(5, 5, 1, 1)], dims=18, size=1),
    pool([maps[:, :16], rois], dims=1, size=4),
    pool([maps, rois[2:3]]),
    case([maps, rois / [1, 16, 16, 16, 16]], "{output_dim: 2, group_size: 3}", wrt=[0]),
    pool([maps[:1, :1, :1, :1], rois[:1]], dims=1, size=1),
    pool([maps * 1e4, rois], gradient_atol=1e-3),
    pool([maps, rois[:0]]),
]

CASES = {
    "PSROIPooling": COMMON,
    "PSROIAlign": [
        *COMMON,
        pool([maps, rois], ", sample_num: 1"),
        pool([maps, rois], ", sample_num: 3"),
    ],
}

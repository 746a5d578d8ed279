import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(11)
rows = rng.standard_normal((6, 4)) * 3 + 1
maps = rng.standard_normal((3, 4, 2, 5)) * 3 + 1
far = maps * 1e4

AS_PSPNET = "blob_axes: 4, scale: 2, moving_average_fraction: 0.95"
AS_WINDOWS = "learned: [scale, shift, mean, inverse_std], blob_axes: 2, scale: 2, shift: 1, variance: 0.5"
AS_SEGNET = "learned: [scale, shift], blob_axes: 4, scale: 2, shift: 0.5, eps: 1.0e-9"
AS_CTPN = "blob_axes: 4, axis: 2, variance: 0, eps: 1.0e-10, moving_average_fraction: 0.95"
AS_NVIDIA = (
    "learned: [mean, variance, correction, scale, shift], averaging: from_first, unbiased: true, variance: 0, "
    "moving_average_fraction: 0.999"
)
AS_INTEL = "learned: [mean, variance, correction, scale], averaging: sum, unbiased: true"
IN_PARTS = "learned: [mean, variance, correction], averaging: sum, unbiased: true, stats_batch_size: 2"

CASES = {
    "BatchNorm": [
        case([rows], learned=[0, 1], exhaustive=True),
        case([maps], f"{{{AS_PSPNET}, frozen: true, variance: 4}}", learned=[]),
        case([maps], f"{{{AS_PSPNET}}}", learned=[0, 1]),
        case([maps], f"{{{AS_PSPNET}, variance: 4}}", phase=1, learned=[0, 1]),
        case([maps], f"{{{AS_WINDOWS}}}", phase=1, learned=[0, 1]),
        case([maps], f"{{{AS_SEGNET}}}", tops=3, phase=1),
        case([maps], f"{{{AS_SEGNET}}}", tops=2),
        case([maps[:, :, 0]], f"{{{AS_SEGNET}, use_global_stats: true}}"),
        case([maps], f"{{{AS_CTPN}}}", learned=[0, 1], other_bottoms=()),
        case([maps], f"{{{AS_NVIDIA}}}", learned=[3, 4]),
        case([far], f"{{{AS_INTEL}}}", learned=[3], step=1),
        case([maps], f"{{{IN_PARTS}}}", phase=0),
        case([np.concatenate([rows, rows[:1] / 2])], "{stats_batch_size: 4}", learned=[0, 1]),
        case([np.zeros((0, 4, 2, 2))], f"{{{AS_PSPNET}}}", tops=3, other_bottoms=()),
    ],
}

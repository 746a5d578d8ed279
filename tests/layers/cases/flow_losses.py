import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(17)
a, b = rng.uniform(-1, 1, (2, 2, 2, 3, 4))
gaps = b.copy()
gaps[0, :, 1] = gaps[1, 0, 0, 0] = np.nan
EPE = "p: [2], q: [0.5]"

CASES = {
    "LpqLoss": [
        case([a, b], f"{{{EPE}}}", exhaustive=True),
        case([a, gaps], f"{{{EPE}}}", wrt=[0]),
        case([a, gaps], f"{{{EPE}, normalization: valid, channel_mean: true}}", wrt=[0]),
        case([a], "{p: [2.5], q: [0.4], p_epsilon: 0.1}"),
        case([a, b], f"{{{EPE}, plateau: 0.5}}"),
        case([a, b], "{p: [1], q: [1], q_epsilon: 0, by_location: false, plateau: 0.2}"),
        case([a, b], "{p: [1.5, 1], q: [0.5, 1], start: [0, 1000], start_iter: 1000}"),
        case([a[:, :, 0, 0], b[:, :, 0, 0]], f"{{{EPE}, normalization: full, q_epsilon: 0}}"),
        case([a, a], f"{{{EPE}, q_epsilon: 0}}", wrt=[]),
        case([a * 1e4, b], f"{{{EPE}}}", gradient_atol=1e-6),
        case([a, a * np.nan], f"{{{EPE}, normalization: valid}}", wrt=[0]),
        case([a[:0], b[:0]], f"{{{EPE}}}"),
    ],
}

from tests.layers.case import case
from tests.layers.cases.regression import PAIR, maps, rows, target_maps, targets

CASES = {
    "CharbonnierLoss": [
        *PAIR[:-2],
        *[case(row["bottoms"], '{"epsilon": 0.5}', gradient_rtol=1e-3) for row in PAIR[-2:]],
        case([rows, targets], '{"epsilon": 0.1, "alpha": 0.45}', exhaustive=True),
        case([maps, target_maps], '{"epsilon": 2, "alpha": 1}'),
    ],
    "LogCoshLoss": PAIR,
    "WingLoss": [*PAIR, case([rows, targets], '{"w": 1, "epsilon": 0.5}'), case([maps * 9, target_maps])],
}

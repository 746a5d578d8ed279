import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(17)
x = rng.standard_normal((4, 2, 3))
cont = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
SMALL = "filler: uniform, filler_value: 0.8, bias: 0.3"


def lstm(bottoms, text="{}", **options):
    return case(bottoms, f"{{num_output: 3, {SMALL}, {text[1:]}", **options)


CASES = {
    "LSTM": [
        lstm([x], exhaustive=True),
        lstm([x, cont], "{seed: 4}", exhaustive=True, wrt=[0]),
        lstm([x, cont.reshape(8, 1, 1)], wrt=[0], other_bottoms=()),
        lstm([x, np.ones((4, 2))], wrt=[0], repeatable=False),  # it goes on from the forward before
        lstm([x], "{clipping_threshold: 100}"),
        lstm([x.reshape(4, 2, 1, 3)]),
        lstm([x[:1]]),
        lstm([x[:, :1, 0]]),  # one value a step
        lstm([1e4 * x], gradient_atol=1e-6),
        lstm([x.reshape(8, 3), cont.reshape(8, 1)], "{batch_size: 2}", wrt=[0], other_bottoms=()),
        lstm([x[:0]], other_bottoms=[x]),
        lstm([x[:, :0]], other_bottoms=[x]),
    ],
    "ContinuationIndicator": [
        case([], "{time_step: 3, batch_size: 2}"),
        case([x], wrt=[]),
        case([x[:0]], wrt=[], other_bottoms=[x]),
        case([x[:, :, 0]], wrt=[]),
    ],
}

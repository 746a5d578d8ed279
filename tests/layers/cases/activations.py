import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
rows = rng.standard_normal((6, 4)) * 4
maps = rng.standard_normal((3, 4, 2, 5)) * 4
far = np.array([[1e4, -1e4, 40.0, -40.0, 100.0, -100.0]])
steps = np.linspace(-8, 8, 24).reshape(4, 6) + 0.01
zeros = np.zeros((2, 3))
none = np.zeros((0, 3))


def activation(*parameters, corners=False):
    """corners: f has one at 0."""
    return [
        case([rows], exhaustive=True),
        case([maps]),
        case([steps]),
        case([far], gradient_rtol=1e-3, gradient_atol=1e-5),
        case([zeros], wrt=[] if corners else None),
        case([rows[:1, 0]]),
        case([none], other_bottoms=()),
        *[case([maps], param_str) for param_str in parameters],
    ]


CASES = {
    "ReLU6": activation('{"negative_slope": 0.1}', '{"negative_slope": -0.5}', '{"threshold": 2.5}', corners=True),
    "Swish": activation('{"beta": 0.5}', '{"beta": 3}', '{"beta": 0}', '{"beta": -1}'),
    "SELU": activation('{"alpha": 1, "scale": 2}', '{"alpha": 0}', corners=True),
    "Mish": activation(),
    "HardSigmoid": activation('{"alpha": 0.2}', '{"alpha": 0.3, "beta": 0.7}'),
    "HardSwish": activation(),
    "GELU": activation('{"approximate": "tanh"}'),
    "Softplus": activation('{"beta": 0.5}', '{"beta": 20}'),
}

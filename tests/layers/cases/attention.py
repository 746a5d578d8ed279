import numpy as np

from tests.layers.case import case

rng = np.random.RandomState(7)
queries, keys, values = (rng.standard_normal(shape) for shape in ((3, 4, 6), (3, 5, 6), (3, 5, 8)))
of_keys = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
of_pairs = rng.randint(0, 2, (3, 4, 5))
features, scores, more = (rng.standard_normal((3, c, 2, 4)) for c in (5, 1, 2))
mask = rng.randint(0, 2, (3, 1, 2, 4))
mask[1] = 0

CASES = {
    "ScaledDotProductAttention": [
        case([queries, keys, values], exhaustive=True),
        case([queries, keys, values], "heads: 2", tops=2, exhaustive=True),
        case([queries, keys, values], "{scale: 1, causal: true}"),
        case([queries, keys, values, of_keys], "heads: 2", tops=2),
        case([queries, keys, values, of_pairs], "causal: true"),
        case([queries, keys, values, of_pairs[:, None, :1]], "heads: 2"),
        case([1e2 * queries, 1e2 * keys, values], gradient_atol=1e-5),
        case([np.ones((2, 1, 1)), np.ones((2, 1, 1)), np.ones((2, 1, 1))]),
        case([np.zeros((0, 2, 4)), np.zeros((0, 3, 4)), np.zeros((0, 3, 2))]),
        case([np.ones((2, 2, 4)), np.zeros((2, 0, 4)), np.zeros((2, 0, 2))], tops=2),
    ],
    "SoftmaxPooling": [
        case([features, scores], exhaustive=True),
        case([features, more], tops=2, exhaustive=True),
        case([features, more, mask], tops=2),
        case([features, scores, mask]),
        case([features, 1e4 * scores], gradient_atol=1e-5),
        case([features, np.full((3, 1, 2, 4), -1e4)]),
        case([features[:, :, 0], more[:, :, 0]]),
        case([np.zeros((0, 2, 3)), np.zeros((0, 1, 3))]),
        case([np.zeros((2, 3, 0)), np.zeros((2, 2, 0))]),
    ],
}

"""Scale and Bias."""

from tests.parity.case import TEST, Case, normal

X = normal(2, 3, 4, 5)
NAMES = {"Scale": "scale", "Bias": "bias"}
RANDOM = "filler { type: 'gaussian' std: 1 }"
BOTH = "bias_term: true bias_filler { type: 'gaussian' std: 1 }"

# (axis, num_axes) and the shape that they take out of (2, 3, 4, 5)
PLACES = [(0, 1), (1, 1), (2, 1), (3, 1), (-1, 1), (-3, 2), (0, -1), (1, -1), (-2, -1), (0, 2), (2, 0), (0, 0), (1, 3)]
SHAPES = [(2,), (3,), (4,), (5,), (3, 4), (3, 4, 5), (2, 3, 4, 5), (4, 5), (2, 3), ()]
AXES = [0, 1, 2, 3, 1, 1, 0, -2, 0, 5]


def one(kind, param, x, more="", **facts):
    return Case(kind, f"{NAMES[kind]}_param {{ {param} }} {more}", [x], **facts)


def two(kind, axis, shape, param="", x=X, **facts):
    return Case(kind, f"{NAMES[kind]}_param {{ axis: {axis} {param} }}", [x, normal(*shape, seed=1)], **facts)


CASES = [
    *[
        one(kind, f"axis: {axis} num_axes: {num_axes} {RANDOM} {more}", X)
        for kind, more in [("Scale", ""), ("Scale", BOTH), ("Bias", "")]
        for axis, num_axes in PLACES
    ],
    *[
        two(kind, axis, shape, more)
        for kind, more in [("Scale", ""), ("Scale", BOTH), ("Bias", "")]
        for axis, shape in zip(AXES, SHAPES)
        if axis < 4 or not more
    ],
    *[
        one(kind, f"axis: {axis} num_axes: {num_axes} {RANDOM} {more}", X, in_place=True)
        for kind, more in [("Scale", ""), ("Scale", BOTH), ("Bias", "")]
        for axis, num_axes in [(1, 1), (0, -1), (0, 0), (-1, 1)]
    ],
    *[
        two(kind, axis, shape, more, in_place=True)
        for kind, more in [("Scale", ""), ("Scale", BOTH), ("Bias", "")]
        for axis, shape in [(1, (3,)), (0, (2, 3, 4, 5)), (0, ())]
    ],
    *[
        two(kind, axis, shape, more, down=down)
        for kind, more in [("Scale", ""), ("Scale", BOTH), ("Bias", "")]
        for axis, shape in [(1, (3,)), (0, (2, 3, 4, 5))]
        for down in ([0], [1])
    ],
    *[
        one(kind, more, normal(*shape))
        for kind, more in [("Scale", RANDOM), ("Scale", f"{RANDOM} {BOTH}"), ("Bias", RANDOM)]
        for shape in [(4, 3), (1, 3, 2, 2), (1, 5), (2, 3, 2, 1, 2), (3, 1, 2)]
    ],
    *[one(kind, "axis: 0 num_axes: 1", normal(5)) for kind in NAMES],
    *[one("Scale", param, X) for param in ("", "bias_term: true", "filler { value: 3 }", "filler { }")],
    *[one("Bias", param, X) for param in ("", "filler { value: 3 }")],
    *[one(kind, RANDOM, X, phase=TEST) for kind in NAMES],
    *[one(kind, RANDOM, X, down=[]) for kind in NAMES],
    *[one(kind, RANDOM, X, loss_weight=3.7) for kind in NAMES],
    one(
        "Scale",
        "bias_term: true",
        X,
        "blobs { shape { dim: 3 } data: [1, -2, 3] } blobs { shape { dim: 3 } data: [4, 5, 6] }",
    ),
    one("Bias", "", X, "blobs { shape { dim: 3 } data: [1, -2, 3] }"),
]

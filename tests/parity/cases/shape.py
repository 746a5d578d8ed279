"""Flatten, Reshape, Split and Silence: values and gradients move, unchanged."""

from tests.parity.case import TEST, Case, normal

X = normal(2, 3, 4, 5)


def flatten(param, x=X, **facts):
    return Case("Flatten", f"flatten_param {{ {param} }}", [x], exact=True, **facts)


def reshape(dims, more="", x=X, **facts):
    shape = f"shape {{ {' '.join(f'dim: {n}' for n in dims)} }}"
    return Case("Reshape", f"reshape_param {{ {shape} {more} }}", [x], exact=True, **facts)


CASES = [
    *[
        flatten(f"axis: {axis} end_axis: {end}")
        for axis, end in [(0, -1), (0, 0), (1, 2), (2, 3), (-2, -1), (3, 3), (-4, -3), (2, 1), (1, 0), (3, 2), (1, -1)]
    ],
    *[flatten("", normal(*shape)) for shape in [(3, 4), (2, 1), (2, 3, 1, 2, 2)]],
    flatten("axis: 0", normal(5)),
    flatten("", phase=TEST),
    flatten("", loss_weight=3.7),
    *[
        reshape(dims)
        for dims in [(120,), (-1,), (6, 20), (0, -1), (0, 0, -1), (0, 0, 0, 0), (2, 3, -1, 2), (-1, 0, 4), (5, 4, 3, 2)]
    ],
    *[reshape(dims) for dims in [(1, 120), (0, 3, 2, 2, 5), (0, 0, 0, 0, 1), (0, 0, 0, 0, -1)]],
    *[
        reshape(dims, f"axis: {axis} num_axes: {num_axes}")
        for dims, axis, num_axes in [
            ((12,), 1, 2),
            ((-1,), 1, -1),
            ((1,), 4, 0),
            ((1, 1), 0, 0),
            ((1,), -1, 0),
            ((1,), -3, 0),
            ((20,), -3, 2),
            ((0, -1), 1, 3),
            ((1, 0, 3), 1, 2),
            ((-1, 2), 2, 1),
            ((), 0, 0),
            ((), 4, -1),
            ((4, 5), -3, 2),
        ]
    ],
    *[reshape(dims, x=normal()) for dims in [(), (1,), (1, 1, -1)]],
    reshape((), "axis: 0", normal(1)),
    Case("Reshape", "", [normal(1, 1)], exact=True),
    reshape((0, -1), phase=TEST),
    reshape((0, -1), loss_weight=3.7),
    *[Case("Split", "", [X], tops=tops) for tops in (1, 2, 3, 5)],
    *[Case("Split", "", [normal(*shape)], tops=2) for shape in [(), (7,), (1, 2, 1, 3, 2)]],
    Case("Split", "", [X], tops=2, phase=TEST),
    Case("Split", "", [X], tops=2, down=[]),
    Case("Split", "", [X], tops=2, loss_weight=3.7),
    *[Case("Silence", "", [X, normal(3), normal()][:count], tops=0, exact=True) for count in (1, 2, 3)],
    Case("Silence", "", [X, normal(3)], tops=0, down=[1], exact=True),
    Case("Silence", "", [X], tops=0, down=[], phase=TEST),
]

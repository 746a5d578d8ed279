"""BatchNorm and MVN."""

from tests.parity.case import TEST, TRAIN, Case, normal


def batch_norm(param, x, more="", **facts):
    return Case("BatchNorm", f"batch_norm_param {{ {param} }} {more}", [x], **facts)


def mvn(param, x, **facts):
    return Case("MVN", f"mvn_param {{ {param} }}", [x], **facts)


SHAPES = [(4, 3, 5, 2), (6, 4), (3, 2, 7), (2, 3, 2, 3, 2), (2, 1, 3, 3), (1, 3, 4, 4), (5, 16, 1, 1)]

# Sums of means and of variances, and what they are to be divided by.
LEARNED = " ".join(
    f"blobs {{ shape {{ dim: {len(values)} }} {' '.join(f'data: {value}' for value in values)} }}"
    for values in ([0.5, -2, 3], [1, 4, 0.5], [2.5])
)

CASES = [
    *[batch_norm("", 2 * normal(*shape) + 1, phase=phase) for shape in SHAPES for phase in (TRAIN, TEST)],
    *[
        batch_norm(param, 2 * normal(4, 3, 5, 2) + 1, in_place=in_place, phase=phase)
        for param in (
            "",
            "use_global_stats: false",
            "use_global_stats: true",
            "moving_average_fraction: 0.5",
            "eps: 0.1",
            "use_global_stats: true eps: 0.3",
        )
        for in_place in (False, True)
        for phase in (TRAIN, TEST)
    ],
    batch_norm("", normal(2, 3, 4, 4), down=[]),
    batch_norm("eps: 0.5", normal(1, 3, 1, 1)),  # one value: its variance counts as it is
    batch_norm("", 0.1 * normal(8, 2, 3, 3) + 3),  # a deviation small beside the mean
    batch_norm("", normal(2, 3, 4, 4), in_place=True),
    *[
        batch_norm(param, normal(4, 3, 5, 2), statistics, in_place=in_place, phase=phase)
        for param, phase in (("", TEST), ("use_global_stats: true", TRAIN), ("moving_average_fraction: 0.9", TRAIN))
        for statistics in (LEARNED, LEARNED.replace("data: 2.5", "data: 0"))
        for in_place in (False, True)
    ],
    batch_norm("", normal(4, 3, 2, 2), 3 * "param { lr_mult: 0 } "),
    *[
        mvn(param, 2 * x + 1)
        for param in (
            "",
            "normalize_variance: false",
            "across_channels: true",
            "across_channels: true normalize_variance: false",
            "eps: 0.1",
        )
        for x in (normal(2, 3, 4, 5), normal(3, 2, 6))
    ],
    mvn("across_channels: true", normal(3, 5)),
    mvn("across_channels: true eps: 0.01", normal(1, 5, 2, 2), phase=TEST),
    mvn("normalize_variance: false", normal(2, 3, 2, 2), down=[]),
    *[
        mvn(f"normalize_variance: false {more}", normal(2, 3, 2, 2), in_place=True)
        for more in ("", "across_channels: true")
    ],
    *[mvn(param, normal(2, 3, 2, 2), in_place=True, down=[]) for param in ("", "across_channels: true")],
]

"""SPP."""

from tests.parity.case import Case, normal

CASES = [
    Case("SPP", f"spp_param {{ pyramid_height: {height} pool: {pool} }}", [normal(*shape)], exact=pool == "MAX")
    for height, shape in [
        (1, (2, 3, 5, 4)),
        (2, (2, 3, 4, 4)),
        (2, (2, 3, 5, 7)),
        (3, (2, 2, 9, 6)),
        (3, (1, 3, 8, 8)),
        (3, (1, 2, 10, 13)),
        (4, (1, 2, 16, 24)),
    ]
    for pool in ("MAX", "AVE")
]

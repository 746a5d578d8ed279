"""Eltwise."""

from tests.parity.case import TEST, Case, integers, normal

TWO = [normal(2, 3, 4, 5, seed=seed) for seed in range(2)]
FOUR = [normal(3, 4, seed=seed) for seed in range(4)]
TIES = [integers(4, 9, high=3, seed=seed) for seed in range(4)]
OPERATIONS = ["", "operation: PROD", "operation: PROD stable_prod_grad: false", "operation: SUM", "operation: MAX"]


def eltwise(param, bottoms, **facts):
    return Case("Eltwise", f"eltwise_param {{ {param} }}", bottoms, **facts)


CASES = [
    *[eltwise(param, bottoms) for param in OPERATIONS for bottoms in (TWO, FOUR[:3], FOUR)],
    *[eltwise("operation: MAX", TIES[:count], exact=True) for count in (2, 3, 4)],
    *[eltwise(f"operation: PROD {more}", TIES[:3]) for more in ("", "stable_prod_grad: false")],
    *[
        eltwise(f"operation: SUM coeff: {a} coeff: {b}", TWO)
        for a, b in [(1, -1), (0.5, 2), (-1, 1), (1, 1), (0, 3), (1, 0.5)]
    ],
    eltwise("coeff: 1 coeff: -2 coeff: 0.5 coeff: 3", FOUR),
    eltwise("coeff: 2 coeff: 1 coeff: 1 coeff: 1", FOUR),
    eltwise("operation: MAX coeff: 2 coeff: 3", TWO),
    *[eltwise(param, FOUR[:3], down=down) for param in OPERATIONS for down in ([0], [1], [2], [0, 2])],
    *[eltwise(param, [normal(*shape, seed=s) for s in (0, 1)]) for param in OPERATIONS[1:] for shape in [(), (7,)]],
    eltwise("", [normal(1, 2, 3, 1, 2), normal(1, 2, 3, 1, 2, seed=1)]),
    *[eltwise(param, TWO, phase=TEST) for param in OPERATIONS],
    *[eltwise("operation: PROD", bottoms, in_place=True, down=[]) for bottoms in (TWO, FOUR)],
    *[eltwise(param, TWO, loss_weight=3.7) for param in OPERATIONS],
]

"""InnerProduct."""

from tests.parity.case import TEST, Case, normal

FILL = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 }'


def inner(param, *shape, **facts):
    return Case("InnerProduct", f"inner_product_param {{ {param} {FILL} }}", [normal(*shape)], **facts)


CASES = [
    inner(f"num_output: 4 {param}", *shape)
    for param, shape in [
        ("", (3, 5)),
        ("bias_term: false", (3, 5)),
        ("transpose: true", (3, 5)),
        ("transpose: true bias_term: false", (3, 5)),
        ("", (2, 3, 4, 5)),
        ("axis: 2", (2, 3, 4, 5)),
        ("axis: -1 transpose: true", (2, 3, 4, 5)),
        ("axis: -1", (2, 3, 4)),
        ("axis: 0", (2, 3, 4)),
        ("axis: 0", (6,)),
        ("axis: 3 bias_term: false", (2, 2, 1, 3, 2)),
        ("", (1, 7)),
    ]
]
CASES += [
    inner("num_output: 1", 2, 3),
    inner("num_output: 3", 2, 3, down=[]),
    inner("num_output: 3 transpose: true", 2, 3, down=[]),
    inner("num_output: 3", 2, 3, phase=TEST),
]

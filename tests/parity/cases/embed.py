"""Embed."""

from tests.parity.case import TEST, Case, integers

FILL = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 }'


def embed(param, *shape, **facts):
    param = f"embed_param {{ num_output: 4 input_dim: 6 {param} {FILL} }}"
    return Case("Embed", param, [integers(*shape, high=6)], down=[], **facts)


CASES = [
    embed("", 5),
    embed("bias_term: false", 5),
    embed("", 3, 4),
    embed("", 2, 3, 1, 2),
    embed("", 30),  # indices that repeat: their gradients add up
    embed("bias_term: false", 3, 4, phase=TEST),
]

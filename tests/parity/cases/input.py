"""Input, DummyData."""

from tests.parity.case import TEST, Case


def dummy(param, **rest):
    return Case("DummyData", f"dummy_data_param {{ {param} }}", [], exact=True, **rest)


SHAPE = "shape { dim: 2 dim: 3 dim: 4 }"
SHAPES = f"{SHAPE} shape {{ dim: 5 }}"
ONE, TWO = 'data_filler { type: "constant" value: 1.5 }', "data_filler { value: -2 }"
RANDOM = 'data_filler { type: "uniform" min: 7 max: 7 }'  # random, but with one outcome
OLD = "num: 2 channels: 3 height: 4 width: 5"

CASES = [
    Case("Input", f"input_param {{ {SHAPE} }}", [], exact=True),
    Case("Input", f"input_param {{ {SHAPE} }}", [], tops=3, exact=True),
    Case("Input", f"input_param {{ {SHAPES} }}", [], tops=2, phase=TEST, exact=True),
    Case("Input", "input_param { shape { } }", [], exact=True),
    dummy(SHAPE),
    dummy(SHAPE, phase=TEST),
    dummy("shape { }"),
    dummy(f"{SHAPE} {ONE}"),
    dummy(f"{SHAPE} {ONE}", tops=3),
    dummy(f"{SHAPES} {ONE} {TWO}", tops=2),
    dummy(f"{SHAPES} {ONE} {RANDOM}", tops=2),
    dummy(f"{SHAPE} {RANDOM}", tops=2),
    dummy(f"{OLD} {ONE}"),
    dummy(f"{OLD} {ONE}", tops=2),
    dummy(f"{OLD} num: 7 width: 1 {ONE} {TWO}", tops=2),
    dummy(f'{SHAPE} data_filler {{ type: "bilinear" }}'.replace(SHAPE, "shape { dim: 1 dim: 2 dim: 4 dim: 4 }")),
]

"""Parameter."""

from tests.parity.case import Case

CASES = [
    Case("Parameter", f"parameter_param {{ {shape} }}", [], exact=True)
    for shape in ("", "shape { dim: 3 }", "shape { dim: 2 dim: 3 dim: 1 }")
]
CASES += [
    Case(
        "Parameter",
        "parameter_param { shape { dim: 2 } } blobs { shape { dim: 2 } data: 0.5 data: -3 }",
        [],
        exact=True,
    )
]

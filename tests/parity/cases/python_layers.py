"""The Python layers of this package, on both engines: the cases of tests/layers/cases.py."""

import json

import numpy as np

from tests.layers import cases as layers
from tests.parity.case import Case


def python(name, row):
    module, layer = name.split(".")
    text = f'module: "caffe_pylayers.{module}" layer: "{layer}" param_str: {json.dumps(row["param_str"])}'
    bottoms = [np.asarray(x, np.float32) for x in row["bottoms"]]
    return Case(
        "Python",
        f"python_param {{ {text} }}",
        bottoms,
        tops=row.get("tops", 1),
        down=range(min(len(bottoms), 2)),  # a third one holds weights
        loss_weight=3.7 if layer.endswith("LossLayer") else None,
    )


CASES = [python(name, row) for name, rows in layers.CASES.items() for row in rows]

"""The Python layers of this package, on both engines: the first of each layer's cases in tests/layers/cases/.

check_layer compares all of them, on either engine, with the layer alone.
"""

import json

import numpy as np

from tests.layers import cases as layers
from tests.parity.case import Case


def python(name, row):
    module, layer = name.split(".")
    text = f'module: "caffe_pylayers.{module}" layer: "{layer}" param_str: {json.dumps(row["param_str"])}'
    floats = [i for i, x in enumerate(row["bottoms"]) if np.asarray(x).dtype.kind == "f"]
    return Case(
        "Python",
        f"python_param {{ {text} }}",
        [np.asarray(x, np.float32) for x in row["bottoms"]],
        tops=row.get("tops", 1),
        phase=row.get("phase", 0),
        down=row.get("wrt", floats),
        loss_weight=3.7 if layer.endswith(("Loss", "LossLayer")) else None,
    )


def runs_on_both(row):
    """False for a layer that is random, and for blobs without values, for which Caffe has no memory."""
    return row.get("repeatable", True) and all(np.size(x) for x in row["bottoms"])


CASES = [python(name, row) for name, rows in layers.CASES.items() for row in list(filter(runs_on_both, rows))[:1]]

"""The upgrade of a solver's type."""

from __future__ import annotations

import os
from typing import Any

from caffe_pylayers._layer.quote import quoted

_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


def upgrade_type(solver: Any, name: str | os.PathLike[str]) -> None:
    """Turn solver_type, a number, into type, a name, in place. ValueError where a solver has both."""
    if not solver.HasField("solver_type"):
        return
    old = solver.DESCRIPTOR.fields_by_name["solver_type"].enum_type.values_by_number[solver.solver_type].name
    if solver.HasField("type"):
        raise ValueError(
            f"{name}: has both type and the old solver_type, {quoted(solver.type)} and {old}; drop solver_type"
        )
    solver.type = _TYPES[old]
    solver.ClearField("solver_type")

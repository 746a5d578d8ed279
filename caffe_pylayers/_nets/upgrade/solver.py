"""What changed in solvers: their type, and where snapshots go."""

from __future__ import annotations

import os
from typing import Any

_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


def upgrade_solver(solver: Any, name: str | os.PathLike[str]) -> None:
    """Turn solver_type, a number, into type, a name, in place. ValueError where a solver has both."""
    if not solver.HasField("solver_type"):
        return
    old = solver.DESCRIPTOR.fields_by_name["solver_type"].enum_type.values_by_number[solver.solver_type].name
    if solver.HasField("type"):
        raise ValueError(f'{name}: both type: "{solver.type}" and, of the old format, solver_type: {old}; keep type')
    solver.type = _TYPES[old]
    solver.ClearField("solver_type")


def complete_snapshot_prefix(solver: Any, path: str | os.PathLike[str]) -> None:
    """Snapshots go beside the solver's file where no prefix is given, into the prefix where that is a folder."""
    base = os.fspath(path)
    folder, file = base[: -len(os.path.basename(base))], os.path.basename(base)
    stem = file[: file.rfind(".")] if "." in file else file
    if not solver.HasField("snapshot_prefix"):
        solver.snapshot_prefix = folder + stem
    elif os.path.isdir(solver.snapshot_prefix):
        solver.snapshot_prefix = os.path.join(solver.snapshot_prefix, stem)

"""A layer's self.phase, which older forks gave as an enumeration: str(self.phase) was "TRAIN" or "TEST"."""

from __future__ import annotations

import ast
import enum
from typing import Any

from caffe_pylayers._compat.bridges.base import Bridge, call, provided


class Phase(Bridge):
    """self.phase where it is read."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Give it a name."""
        self.generic_visit(node)
        is_self = isinstance(node.value, ast.Name) and node.value.id == "self"
        if not (is_self and node.attr == "phase" and isinstance(node.ctx, ast.Load)):
            return node
        self.bridged.add("phase")
        return call(phase, node, node)


class NamedPhase(enum.IntEnum):
    """Equal to caffe.TRAIN or caffe.TEST, and says its name, for code such as cfg[str(self.phase)]."""

    TRAIN = 0
    TEST = 1

    def __str__(self) -> str:
        return self.name


@provided
def phase(value: Any) -> Any:
    """Return a layer's phase, with a name."""
    return NamedPhase(value) if type(value) is int and value in (0, 1) else value

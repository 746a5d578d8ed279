"""str(self.phase), which older forks gave as "TRAIN" or "TEST"."""

from __future__ import annotations

import ast

from caffe_pylayers._compat.rewrites.edits import Edits, walk

NAMED = '("TRAIN", "TEST")[self.phase]'


def rewrite(tree: ast.Module, edits: Edits) -> None:
    """Rewrite str(self.phase), unless the file looks for its digit."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    if not texts.isdisjoint("01"):
        return
    for node in walk(tree):
        if isinstance(node, ast.Call) and _is_str_of_phase(node):
            edits.replace(node, NAMED)
            edits.mark(node, "for str(self.phase)")
            edits.names.add("phase")


def _is_str_of_phase(node: ast.Call) -> bool:
    if not (isinstance(node.func, ast.Name) and node.func.id == "str" and len(node.args) == 1 and not node.keywords):
        return False
    given = node.args[0]
    is_self = isinstance(given, ast.Attribute) and isinstance(given.value, ast.Name) and given.value.id == "self"
    return is_self and given.attr == "phase"  # type: ignore[attr-defined]

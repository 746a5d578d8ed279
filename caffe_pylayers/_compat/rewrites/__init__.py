"""Rewrites for good of expressions whose old meaning shows from the file alone.

The loader bridges them by their values. `modernize` rewrites them here, by places in the syntax tree, and marks the
lines.
"""

from __future__ import annotations

import ast

from caffe_pylayers._compat.rewrites import blobs, imports, phase, quotients
from caffe_pylayers._compat.rewrites.edits import Edits
from caffe_pylayers._compat.rewrites.kinds import Kinds


def rewrite(text: str, path: str, old: bool, divides: bool) -> tuple[str, list[str]]:
    """Return the new text of a file, which is Python 3 already, and the names of what has been rewritten.

    old: True if it was Python 2; divides: True if a ``/`` in it may round down.
    """
    tree = ast.parse(text, path)
    edits = Edits(text)
    kinds = Kinds(tree)
    if old:
        imports.rewrite(tree, path, edits)
    if old and divides:
        quotients.rewrite(tree, kinds, edits)
    blobs.rewrite(tree, kinds, edits)
    phase.rewrite(tree, edits)
    return edits.applied(), sorted(edits.names)

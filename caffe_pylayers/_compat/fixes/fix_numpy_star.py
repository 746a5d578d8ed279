"""from numpy import *, which since NumPy 2 has max, min, round and others that are not the built-in ones."""

import builtins
from typing import Any

import numpy as np
from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name

BEFORE = {"all", "any", "divmod", "sum"}  # that NumPy 1 gave, too
BUILTIN = sorted(name for name in set(np.__all__) - BEFORE if hasattr(builtins, name))


class FixNumpyStar(BaseFix):  # type: ignore[misc, unused-ignore]
    """Import the built-in ones after it, where this NumPy takes them."""

    BM_compatible = True
    PATTERN = "import_from< 'from' 'numpy' 'import' star='*' >"

    def transform(self, node: Any, results: Any) -> None:
        """Add an import in the same line."""
        if BUILTIN and "from builtins import" not in str(node.parent):
            results["star"].replace(Name(f"*; from builtins import {', '.join(BUILTIN)}", prefix=" "))

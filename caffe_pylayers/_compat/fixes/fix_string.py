"""Functions of the string module that are methods of str: string.join(words, "_") is str.join("_", words).

And types.StringType, which for fissix is bytes.
"""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name, does_tree_import

METHODS = (
    *("split", "rsplit", "replace", "lower", "upper", "strip", "lstrip", "rstrip", "find", "rfind", "index", "count"),
    *("capitalize", "swapcase", "zfill", "ljust", "rjust", "center", "maketrans", "translate"),
)
CONSTANTS = {"letters": "ascii_letters", "lowercase": "ascii_lowercase", "uppercase": "ascii_uppercase"}
CONVERSIONS = {"atoi": "int", "atol": "int", "atof": "float", "StringType": "str"}


def _names(names: Any) -> str:
    return "|".join(f"'{name}'" for name in names)


class FixString(BaseFix):  # type: ignore[misc, unused-ignore]
    """Applies in a file that imports the module by its name."""

    BM_compatible = True
    run_order = 4  # before fissix's fix of types
    PATTERN = f"""
        power< 'string' trailer< '.' 'join' > trailer< '(' given=any ')' > any* >
        | power< module='string' trailer< '.' ({_names(METHODS)}) > trailer< '(' any* ')' > any* >
        | power< 'string' trailer< '.' constant=({_names(CONSTANTS)}) > any* >
        | power< module=('string'|'types') attribute=trailer< '.' conversion=({_names(CONVERSIONS)}) > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Name what does the same."""
        if not does_tree_import(None, str(node.children[0]).strip(), node):
            return
        if "constant" in results:
            name = results["constant"][0]
            name.replace(Name(CONSTANTS[name.value]))
        elif "conversion" in results:
            results["attribute"].remove()
            (module,), (conversion,) = results["module"], results["conversion"]
            module.replace(Name(CONVERSIONS[conversion.value], prefix=module.prefix))
        elif "given" in results:
            self._join(node, results["given"])
        else:
            results["module"].replace(Name("str", prefix=results["module"].prefix))

    def _join(self, node: Any, given: Any) -> None:
        parts = [child.clone() for child in given.children[::2]] if given.type == self.syms.arglist else [given.clone()]
        for part in parts:
            part.prefix = ""
        words, separator = parts if len(parts) == 2 else (parts[0], '" "')
        given.replace(Name(f"{separator}, {words}"))
        node.children[0].replace(Name("str", prefix=node.prefix))

"""Names that NumPy has dropped: np.float and its kind, np.asscalar, np.fromstring of bytes, array.tostring().

np.fromstring(text, sep=...) is still there and stays. np.loadtxt takes a file's lines for values with a delimiter that
is in none, for it refuses that of lines itself.
"""

from typing import Any

import numpy as np
from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name, String, token
from fissix.pygram import python_symbols

ARGLIST = python_symbols.arglist

BUILTIN = {name: name for name in ("bool", "int", "float", "complex", "object", "str")}
BUILTIN.update(long="int", unicode="str")
RENAMED = {"float_": "float64", "complex_": "complex128", "Inf": "inf", "Infinity": "inf", "NaN": "nan"}
RENAMED.update(msort="sort", row_stack="vstack", infty="inf")
RENAMED.update(product="prod", cumproduct="cumprod", alltrue="all", sometrue="any", in1d="isin", bool8="bool_")

if hasattr(np, "trapezoid"):  # NumPy 2
    RENAMED["trapz"] = "trapezoid"


def _names(*names: str) -> str:
    return "|".join(f"'{name}'" for name in names)


def _has_separator(given: Any) -> bool:
    """Return True if the arguments of fromstring, four at most, have a sep."""
    arguments = [child for child in given.children if child.type != token.COMMA] if given.type == ARGLIST else [given]
    return len(arguments) > 3 or any(str(argument).replace(" ", "").startswith("sep=") for argument in arguments)


class FixNumpyNames(BaseFix):  # type: ignore[misc, unused-ignore]
    """The module is taken to be called np or numpy."""

    BM_compatible = True
    PATTERN = f"""
        power< module=('np'|'numpy') attribute=trailer< '.' builtin=({_names(*BUILTIN)}) > any* >
        | power< ('np'|'numpy') trailer< '.' renamed=({_names(*RENAMED)}) > any* >
        | power< module=('np'|'numpy') trailer< '.' scalar='asscalar' > call=trailer< '(' given=any ')' > any* >
        | power< ('np'|'numpy') trailer< '.' read='fromstring' > call=trailer< '(' given=any ')' > any* >
        | power< ('np'|'numpy') trailer< '.' ('loadtxt'|'genfromtxt') > trailer< '(' arglist< any*
            argument< 'delimiter' '=' lines=("'\\\\n'"|'"\\\\n"') > any* > ')' > any* >
        | power< any+ trailer< '.' renamed='tostring' > trailer< '(' ')' > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Put in what does the same."""
        if "builtin" in results:
            (module,), (builtin,) = results["module"], results["builtin"]
            results["attribute"].remove()
            module.replace(Name(BUILTIN[builtin.value], prefix=module.prefix))
        elif "scalar" in results:
            results["scalar"].replace(Name("asarray"))
            results["call"].replace([results["call"].clone(), Name(".item()")])
        elif "read" in results:
            if not _has_separator(results["given"]):  # a copy, as fromstring gave: it may be written to
                results["read"].replace(Name("frombuffer"))
                results["call"].replace([results["call"].clone(), Name(".copy()")])
        elif "lines" in results:
            results["lines"][0].replace(String('"\\x1f"'))
        else:
            found = results["renamed"]
            name = found[0] if isinstance(found, list) else found
            name.replace(Name({**RENAMED, "tostring": "tobytes"}[name.value], prefix=name.prefix))

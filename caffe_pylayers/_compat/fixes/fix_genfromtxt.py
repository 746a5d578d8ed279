"""np.genfromtxt(file, dtype=None), whose texts are bytes until NumPy 2: with encoding=None they are str."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Comma, KeywordArg, Name


class FixGenfromtxt(BaseFix):  # type: ignore[misc, unused-ignore]
    """Adds ``encoding=None`` where none is given, for a module that is called np or numpy."""

    BM_compatible = True
    PATTERN = """
        power< ('np'|'numpy') trailer< '.' 'genfromtxt' > call=trailer< '('
            arglist< any* argument< 'dtype' '=' 'None' > any* > ')' > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Add the encoding."""
        arguments = results["call"].children[1]
        if "encoding" in str(arguments):
            return
        encoding = KeywordArg(Name("encoding"), Name("None"))
        encoding.prefix = " "
        if str(arguments.children[-1]).strip() != ",":
            arguments.append_child(Comma())
        arguments.append_child(encoding)

"""tempfile.NamedTemporaryFile() that text is written to, which takes mode="w+" where str is no bytes."""

import re
from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Comma, KeywordArg, Name, String

TEXT = re.compile(r"\.write\(\s*(str\(|['\"])")


class FixTemporaryFile(BaseFix):  # type: ignore[misc, unused-ignore]
    """Without a mode, where the with or the function around it writes what is plainly text."""

    BM_compatible = True
    PATTERN = """
        power< 'tempfile' trailer< '.' ('NamedTemporaryFile'|'TemporaryFile') > call=trailer< '(' any* ')' > any* >
        | power< ('NamedTemporaryFile'|'TemporaryFile') call=trailer< '(' any* ')' > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Add the mode."""
        call = results["call"]
        given = call.children[1:-1]
        arguments = given[0].children if given and given[0].type == self.syms.arglist else given
        named = all(argument.type == self.syms.argument for argument in arguments if str(argument).strip() != ",")
        scope = node
        while scope.parent is not None and scope.type not in (self.syms.with_stmt, self.syms.funcdef):
            scope = scope.parent
        if not named or "mode" in str(call) or not TEXT.search(str(scope)):
            return
        mode = KeywordArg(Name("mode"), String('"w+"'))
        if given:
            call.insert_child(len(call.children) - 1, Comma())
            mode.prefix = " "
        call.insert_child(len(call.children) - 1, mode)

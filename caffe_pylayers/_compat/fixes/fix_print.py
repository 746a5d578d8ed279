"""print "a", b, which is print("a", b); print("a") stays as it is."""

from typing import Any

from fissix.fixes import fix_print


class FixPrint(fix_print.FixPrint):  # type: ignore[misc, unused-ignore]
    """fissix's own puts a second pair around whatever is in parentheses but a name or a string."""

    def transform(self, node: Any, results: Any) -> Any:
        """Make it a call."""
        arguments = node.children[1:]
        if len(arguments) == 1 and self._in_parentheses(arguments[0]):
            return None
        return super().transform(node, results)

    def _in_parentheses(self, node: Any) -> bool:
        """Return True for one value in parentheses, not a tuple or a generator."""
        children = node.children
        if node.type != self.syms.atom or len(children) != 3 or str(children[0]).strip() != "(":
            return False
        return children[1].type not in (self.syms.testlist_gexp, self.syms.yield_expr)

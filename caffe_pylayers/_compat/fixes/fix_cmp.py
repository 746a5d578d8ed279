"""Sorting by a comparison, and cmp(a, b): x.sort(key=functools.cmp_to_key(f)), (a > b) - (a < b)."""

from __future__ import annotations

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import KeywordArg, Name, find_binding, find_root, touch_import


class FixCmp(BaseFix):  # type: ignore[misc, unused-ignore]
    """The comparison as cmp=, or the second argument of sorted(), or the first of sort() where it is a function.

    np.sort(a) and array.sort(axis) are something else.
    """

    BM_compatible = True
    run_order = 4  # while lambdas are as they were
    PATTERN = """
        power< any+ trailer< '.' 'sort' > trailer< '(' given=any ')' > any* >
        | power< function='sorted' trailer< '(' given=any ')' > any* >
        | power< 'cmp' trailer< '(' arglist< first=any ',' second=any > ')' > >
    """

    def transform(self, node: Any, results: Any) -> Any:
        """Make the comparison a key; cmp an expression."""
        if "first" in results:
            first, second = (results[name].clone() for name in ("first", "second"))
            first.prefix = second.prefix = ""
            return Name(f"(({first}) > ({second})) - (({first}) < ({second}))", prefix=node.prefix)
        given = results["given"]
        arguments = given.children[::2] if given.type == self.syms.arglist else [given]
        for place, argument in enumerate(arguments):
            in_place = place == 1 if "function" in results else place == 0 and self._is_function(argument)
            comparison = self._comparison(argument, in_place)
            if comparison is not None:
                touch_import(None, "functools", node)
                key = Name(f"functools.cmp_to_key({comparison})")
                argument.replace(KeywordArg(Name("key", prefix=argument.prefix), key))
        return None

    def _is_function(self, argument: Any) -> bool:
        name = str(argument).strip()
        if argument.type == self.syms.lambdef or name == "cmp":
            return True
        bound = find_binding(name, find_root(argument))
        return bound is not None and bound.type == self.syms.funcdef

    def _comparison(self, argument: Any, in_place: bool) -> str | None:
        if argument.type != self.syms.argument:
            return str(argument).strip() if in_place else None
        name, _, value = argument.children if len(argument.children) == 3 else ("", "", "")
        return str(value).strip() if str(name).strip() == "cmp" else None

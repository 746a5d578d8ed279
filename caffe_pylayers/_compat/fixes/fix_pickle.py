"""Files of Python 2's pickle: loading them takes encoding="latin1", reading and writing the mode "b".

np.load of what may hold a pickle the same, and allow_pickle=True.
"""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Comma, KeywordArg, Name, String, token


class FixPickle(BaseFix):  # type: ignore[misc, unused-ignore]
    """A load with a single argument has no encoding; a file is one opened in place, or by the name that is given."""

    BM_compatible = True
    run_order = 4  # before the renaming of cPickle
    PATTERN = """
        power< ('pickle'|'cPickle') trailer< '.' load=('load'|'loads') > call=trailer< '(' given=any ')' > any* >
        | power< ('pickle'|'cPickle') trailer< '.' 'dump' > trailer< '(' arglist< any ',' file=any any* > ')' > any* >
        | power< ('np'|'numpy') trailer< '.' 'load' > call=trailer< '(' given=any ')' > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Add the encoding, and to the opening of the file the mode."""
        if "file" in results:
            self._open_binary(results["file"])
            return
        given = results["given"]
        if given.type in (self.syms.arglist, self.syms.argument):
            return
        if "load" in results:
            self._open_binary(given)
        else:
            self._add(results["call"], "allow_pickle", Name("True"))
        self._add(results["call"], "encoding", String('"latin1"'))

    @staticmethod
    def _add(call: Any, keyword: str, value: Any) -> None:
        argument = KeywordArg(Name(keyword), value)
        argument.prefix = " "
        call.insert_child(len(call.children) - 1, Comma())
        call.insert_child(len(call.children) - 1, argument)

    def _open_binary(self, file: Any) -> None:
        """Give the call of open that a file comes from the mode for bytes."""
        opened = self._opened_as(file) if file.type == token.NAME else file
        if opened is not None:
            self._set_mode(opened)

    def _opened_as(self, name: Any) -> Any:
        """Return the expression that a name is bound to: by the with around it, or by the last assignment before."""
        node = name
        while node.parent is not None and node.type != self.syms.funcdef:
            node = node.parent
            items = [child for child in node.children if child.type == self.syms.with_item]
            for item in items if node.type == self.syms.with_stmt else ():
                if str(item.children[-1]).strip() == name.value:
                    return item.children[0]
        assigned = None
        for found in node.pre_order():
            if found is name:
                return assigned
            children = found.children
            if found.type == self.syms.expr_stmt and len(children) == 3 and str(children[0]).strip() == name.value:
                assigned = children[2]
        return None

    def _set_mode(self, opened: Any) -> None:
        children = opened.children
        if opened.type != self.syms.power or str(children[0]).strip() not in ("open", "file") or len(children) != 2:
            return
        if len(children[1].children) != 3:
            return
        argument = children[1].children[1]
        if argument.type == self.syms.arglist:
            mode = argument.children[2]
            text = str(mode).strip()
            if mode.type == token.STRING and "b" not in text:
                mode.replace(String(f"{text[0]}{text[1:-1]}b{text[-1]}", prefix=mode.prefix))
        elif argument.type != self.syms.argument:
            argument.replace([argument.clone(), Comma(), String('"rb"', prefix=" ")])

"""Files of Python 2's pickle: loading them takes encoding="latin1", reading and writing the mode "b".

np.load of what may hold a pickle the same, and allow_pickle=True.
"""

from typing import Any, Iterator

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
        if file.type == token.NAME:
            for opened in self._opened_as(file):
                self._set_mode(opened)
        else:
            self._set_mode(file)

    def _opened_as(self, name: Any) -> Iterator[Any]:
        """What is assigned to a name, or is it of a with, in the function or file around."""
        scope = name
        while scope.parent is not None and scope.type != self.syms.funcdef:
            scope = scope.parent
        for node in scope.pre_order():
            children = node.children
            if node.type == self.syms.expr_stmt and len(children) == 3 and str(children[0]).strip() == name.value:
                yield children[2]
            if node.type in (self.syms.with_stmt, self.syms.with_item):
                found = [child for child in children if str(child).strip() in ("as", name.value)]
                if len(found) == 2:
                    yield children[children.index(found[0]) - 1]

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

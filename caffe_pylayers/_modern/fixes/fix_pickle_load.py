"""pickle.load(file) of what Python 2 has written: its strings and arrays need encoding="latin1", its file mode "rb"."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Comma, KeywordArg, Name, String


class FixPickleLoad(BaseFix):  # type: ignore[misc, unused-ignore]
    """A single argument has no encoding."""

    BM_compatible = True
    run_order = 4  # before the renaming of cPickle
    PATTERN = """
        power< ('pickle'|'cPickle') trailer< '.' ('load'|'loads') > call=trailer< '(' given=any ')' > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Add the encoding, and to an open(name) in place the mode."""
        given = results["given"]
        if given.type in (self.syms.arglist, self.syms.argument):
            return
        opened = (
            given.children[1:] if given.type == self.syms.power and str(given.children[0]).strip() == "open" else []
        )
        if len(opened) == 1 and len(opened[0].children) == 3:
            argument = opened[0].children[1]
            if argument.type not in (self.syms.arglist, self.syms.argument):
                argument.replace([argument.clone(), Comma(), String('"rb"', prefix=" ")])
            elif str(argument.children[-1]).strip() in ("'r'", '"r"'):
                mode = argument.children[-1]
                mode.replace(String('"rb"', prefix=mode.prefix))
        encoding = KeywordArg(Name("encoding"), String('"latin1"'))
        encoding.prefix = " "
        results["call"].insert_child(2, encoding)
        results["call"].insert_child(2, Comma())

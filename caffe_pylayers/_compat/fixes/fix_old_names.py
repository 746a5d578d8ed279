"""Names of the standard library, matplotlib and h5py that are gone, and what they are called now; pandas' to_hdf."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import KeywordArg, Name, String, does_tree_import
from fissix.pygram import python_symbols

MODULES = {("time", "clock"): "perf_counter", ("inspect", "getargspec"): "getfullargspec"}
METHODS = {"set_axis_bgcolor": "set_facecolor", "get_axis_bgcolor": "get_facecolor"}
ARGUMENTS = {"axisbg": "facecolor", "normed": "density"}


def _names(names: Any) -> str:
    return "|".join(f"'{name}'" for name in names)


class FixOldNames(BaseFix):  # type: ignore[misc, unused-ignore]
    """time.clock, inspect.getargspec; of matplotlib, axisbg= and its methods, hist(normed=); of h5py, dataset.value."""

    BM_compatible = True
    PATTERN = f"""
        power< 'time' trailer< '.' function='clock' > any* >
        | power< 'inspect' trailer< '.' function='getargspec' > any* >
        | import_from< 'from' 'time' 'import' imported='clock' >
        | import_from< 'from' 'inspect' 'import' imported='getargspec' >
        | trailer< '.' method=({_names(METHODS)}) >
        | argument< argument=({_names(ARGUMENTS)}) '=' any >
        | power< any+ trailer< '.' 'to_hdf' > trailer< '(' arglist< any ',' key=STRING any* > ')' > any* >
        | power< any+ trailer< '[' any ']' > dataset=trailer< '.' 'value' > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Rename them."""
        if "key" in results:
            key = results["key"]
            key.replace(KeywordArg(Name("key", prefix=key.prefix), String(key.value)))
            return
        if "dataset" in results:
            if does_tree_import(None, "h5py", node):
                results["dataset"].replace(Name("[()]"))
            return
        if "method" in results or "argument" in results:
            name = results["method"][0] if "method" in results else results["argument"][0]
            if "argument" not in results or self._of_matplotlib(node, name.value):
                name.replace(Name({**METHODS, **ARGUMENTS}[name.value], prefix=name.prefix))
            return
        new = {name: replacement for (_, name), replacement in MODULES.items()}
        name = results.get("imported") or results["function"]
        alias = f" as {name.value}" if "imported" in results else ""
        name.replace(Name(new[name.value] + alias, prefix=name.prefix))

    @staticmethod
    def _of_matplotlib(node: Any, argument: str) -> bool:
        """Return True for an argument of a subplot, of axes, or of hist; np.histogram has normed, too."""
        call = node
        while call is not None and call.type != python_symbols.power:
            call = call.parent
        return call is not None and (argument == "axisbg" or ".hist(" in str(call))

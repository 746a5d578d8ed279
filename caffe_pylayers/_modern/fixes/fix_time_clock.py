"""time.clock(), gone with Python 3.8: time.perf_counter(); inspect.getargspec, with 3.11: getfullargspec."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name

NEW = {"clock": "perf_counter", "getargspec": "getfullargspec"}


class FixTimeClock(BaseFix):  # type: ignore[misc, unused-ignore]
    """Functions of the standard library that have other names."""

    BM_compatible = True
    PATTERN = """
        power< 'time' trailer< '.' name='clock' > any* >
        | power< 'inspect' trailer< '.' name='getargspec' > any* >
        | import_from< 'from' 'time' 'import' imported='clock' >
        | import_from< 'from' 'inspect' 'import' imported='getargspec' >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Rename them."""
        if "imported" in results:
            name = results["imported"]
            name.replace(Name(f"{NEW[name.value]} as {name.value}", prefix=name.prefix))
            return
        name = results["name"]
        name.replace(Name(NEW[name.value], prefix=name.prefix))

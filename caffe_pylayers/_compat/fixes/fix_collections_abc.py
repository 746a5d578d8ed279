"""collections.Mapping and the like, gone with Python 3.10: collections.abc.Mapping."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name

NAMES = (
    "Callable|Container|Hashable|Iterable|Iterator|Mapping|MutableMapping|MutableSequence|MutableSet|Sequence|Set|Sized"
)


class FixCollectionsAbc(BaseFix):  # type: ignore[misc, unused-ignore]
    """As attributes of the module, or imported from it alone."""

    BM_compatible = True
    PATTERN = """
        power< module='collections' trailer< '.' ({0}) > any* >
        | import_from< 'from' module='collections' 'import' ({0}) >
    """.format("|".join(f"'{n}'" for n in NAMES.split("|")))

    def transform(self, node: Any, results: Any) -> None:
        """Name the module that has them."""
        module = results["module"]
        module.replace(Name("collections.abc", prefix=module.prefix))

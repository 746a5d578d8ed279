"""file(name), which is open(name)."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name


class FixFile(BaseFix):  # type: ignore[misc, unused-ignore]
    """As a function that is called."""

    BM_compatible = True
    PATTERN = "power< name='file' trailer< '(' any* ')' > any* >"

    def transform(self, node: Any, results: Any) -> None:
        """Rename it."""
        results["name"].replace(Name("open", prefix=results["name"].prefix))

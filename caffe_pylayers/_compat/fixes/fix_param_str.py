"""self.param_str_, the attribute's name in older forks: self.param_str."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name


class FixParamStr(BaseFix):  # type: ignore[misc, unused-ignore]
    """Wherever it is an attribute."""

    BM_compatible = True
    PATTERN = "trailer< '.' name='param_str_' >"

    def transform(self, node: Any, results: Any) -> None:
        """Rename it."""
        results["name"].replace(Name("param_str", prefix=results["name"].prefix))

"""yaml.load(text), which PyYAML 6 refuses without a Loader: yaml.safe_load(text)."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name


class FixYamlLoad(BaseFix):  # type: ignore[misc, unused-ignore]
    """A single argument has no Loader."""

    BM_compatible = True
    PATTERN = "power< 'yaml' trailer< '.' name='load' > trailer< '(' given=any ')' > any* >"

    def transform(self, node: Any, results: Any) -> None:
        """Rename the function."""
        if "Loader" not in str(results["given"]) and results["given"].type != self.syms.arglist:
            results["name"].replace(Name("safe_load", prefix=results["name"].prefix))

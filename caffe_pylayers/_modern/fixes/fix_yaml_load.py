"""yaml.load(text), which PyYAML 6 refuses without a Loader: yaml.safe_load(text)."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name


def _root(node: Any) -> Any:
    while node.parent is not None:
        node = node.parent
    return node


class FixYamlLoad(BaseFix):  # type: ignore[misc, unused-ignore]
    """A single argument has no Loader; of an imported load, nothing in the file has one."""

    BM_compatible = True
    PATTERN = """
        power< 'yaml' trailer< '.' name='load' > trailer< '(' given=any ')' > any* >
        | import_from< 'from' 'yaml' 'import' imported='load' >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Rename the function."""
        if "imported" in results:
            if "Loader" in str(_root(node)):
                return
            results["imported"].replace(Name("safe_load as load", prefix=results["imported"].prefix))
        elif "Loader" not in str(results["given"]) and results["given"].type != self.syms.arglist:
            results["name"].replace(Name("safe_load", prefix=results["name"].prefix))

"""yaml.load(text), which PyYAML 6 refuses without a Loader: yaml.full_load(text), which knows !!python/tuple."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name, find_root

NEW = {"load": "full_load", "load_all": "full_load_all"}


class FixYamlLoad(BaseFix):  # type: ignore[misc, unused-ignore]
    """A single argument has no Loader; of an imported load, nothing in the file has one."""

    BM_compatible = True
    PATTERN = """
        power< 'yaml' trailer< '.' name=('load'|'load_all') > trailer< '(' given=any ')' > any* >
        | import_from< 'from' 'yaml' 'import' imported='load' >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Rename the function."""
        if "imported" in results:
            if "Loader" not in str(find_root(node)):
                results["imported"].replace(Name("full_load as load", prefix=results["imported"].prefix))
        elif "Loader" not in str(results["given"]) and results["given"].type != self.syms.arglist:
            name = results["name"][0]
            name.replace(Name(NEW[name.value], prefix=name.prefix))

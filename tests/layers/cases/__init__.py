"""Cases of every layer, a file for each family: what check_layer is called with. A layer needs some."""

import importlib
import pkgutil

CASES = {}
for _family in pkgutil.iter_modules(__path__):
    _cases = importlib.import_module(f"{__name__}.{_family.name}").CASES
    CASES.update({f"{_family.name}.{layer}": rows for layer, rows in _cases.items()})

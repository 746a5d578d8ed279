"""Cases of every layer, a file for each family: what check_layer is called with. A layer needs some.

A family whose layers need a library beyond numpy names it in NEEDS.
"""

import importlib
import pkgutil

CASES, NEEDS = {}, {}
for _family in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_family.name}")
    CASES.update({f"{_family.name}.{layer}": rows for layer, rows in _module.CASES.items()})
    NEEDS.update({f"{_family.name}.{layer}": getattr(_module, "NEEDS", ()) for layer in _module.CASES})

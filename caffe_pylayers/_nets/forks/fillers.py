"""Fillers as the library's parameters."""

from __future__ import annotations

from typing import Any, Callable

from caffe_pylayers._nets.forks.reading import short_float

# By filler: the library's filler_value, or None for a filler that it has not.
_FILLER_VALUES: dict[str, Callable[[Any], float | None]] = {
    "constant": lambda filler: filler.value,
    "uniform": lambda filler: filler.max if filler.min == -filler.max else None,
    "gaussian": lambda filler: None if filler.mean or filler.sparse >= 0 else filler.std,
    "xavier": lambda filler: None if filler.variance_norm else 0.0,
    "msra": lambda filler: None if filler.variance_norm else 0.0,
    "gaussian_unitball": lambda filler: 0.0,
}


def filler_parameters(filler: Any) -> dict[str, Any]:
    """Return the library's parameters for a FillerParameter; {} for one that it has no equal of."""
    value = _FILLER_VALUES[filler.type](filler) if filler.type in _FILLER_VALUES else None
    if value is None:
        return {}
    found: dict[str, Any] = {"filler": filler.type}
    if value:
        found["filler_value"] = short_float(value)
    return found

"""How the fields of a message are read."""

from __future__ import annotations

import struct
from typing import Any

from caffe_pylayers._nets.forks.messages import is_default, repeated


def set_fields(message: Any) -> list[str]:
    """Return the names of the fields that are there, and not as their default."""
    return [known.name for known, value in message.ListFields() if not is_default(known, value)]


def is_set(message: Any, path: list[str]) -> bool:
    """Return True for a field that is there, and not as its default."""
    name, *rest = path
    return name in set_fields(message) and (not rest or is_set(first_of(message, name), rest))


def has(message: Any, path: list[str]) -> bool:
    """Return True for a field that is there."""
    *outer, name = path
    for inner in outer:
        message = first_of(message, inner)
    return bool(message.HasField(name))


def first_of(message: Any, name: str) -> Any:
    """Return the message in a field, of several the first; an empty one where there is none."""
    value = getattr(message, name)
    if not repeated(message.DESCRIPTOR.fields_by_name[name]):
        return value
    return value[0] if value else getattr(type(message)(), name).add()


def value_of(message: Any, path: list[str]) -> Any:
    """Return a field's value, or its default, as a text would have it; None where there is none.

    An enumeration's comes in small letters.
    """
    *outer, name = path
    for inner in outer:
        if inner not in (known.name for known, _ in message.ListFields()):
            return None
        message = first_of(message, inner)
    known, value = message.DESCRIPTOR.fields_by_name[name], getattr(message, name)
    if repeated(known):
        return [_as_written(known, item) for item in value] or None
    if not message.HasField(name) and not known.has_default_value:
        return None
    return _as_written(known, value)


def _as_written(known: Any, value: Any) -> Any:
    if known.enum_type:
        return known.enum_type.values_by_number[value].name.lower()
    return short_float(value) if known.type == known.TYPE_FLOAT else value


def short_float(value: float) -> float:
    """Return the float of the fewest digits that is the same float32: 0.1, not 0.10000000149."""
    shorter = (float(f"{value:.{digits}g}") for digits in range(1, 9))
    return next((found for found in shorter if struct.pack("f", found) == struct.pack("f", value)), value)

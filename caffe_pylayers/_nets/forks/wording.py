"""What a layer of the library refuses, in the words of the fork whose net it stands in."""

from __future__ import annotations

import re
from typing import Any

from caffe_pylayers import _engine
from caffe_pylayers._nets.forks.messages import message_class
from caffe_pylayers._nets.forks.table import DIALECTS

_PARAMETER = re.compile(r"parameter (?P<name>\w+)(?:\[(?P<index>\d+)\])?")


def of_fork(layer: Any, message: str) -> str:
    """Return an error of a lowered layer's class with the fork's fields in place of the class's parameters.

    layer: the LayerParameter, whose python_param names the class. message: without the class's name.
    """
    fields = _fields(layer)
    named: set[str] = set()

    def field(found: re.Match[str]) -> str:
        name, index = found["name"], found["index"]
        if name not in fields:
            return found[0]
        named.add(name)
        places = fields[name]
        if index and len(places) > 1:
            return places[int(index)]
        return f"{' and '.join(places)}{f'[{index}]' if index else ''}"

    said = _PARAMETER.sub(field, message).replace(" in param_str", "")
    if named:
        return said
    renamed = {name: places for name, places in fields.items() if not places[0].endswith(f".{name}")}
    words = dict.fromkeys(re.findall(r"\w+", said))
    return "; ".join([said, *(f"{word} is {' and '.join(renamed[word])}" for word in words if word in renamed)])


def _fields(layer: Any) -> dict[str, list[str]]:
    """Return for each parameter of a lowered layer's class the fork's fields that it comes from, ``param.name``."""
    param = layer.python_param
    empty = message_class(_engine.messages(), "LayerParameter")()
    found: dict[str, list[str]] = {}
    for row in DIALECTS:
        if row.kind == layer.type and f"caffe_pylayers.{row.layer}" == f"{param.module}.{param.layer}":
            for name, places in row.sources(empty).items():
                found.setdefault(name, places)
    return found

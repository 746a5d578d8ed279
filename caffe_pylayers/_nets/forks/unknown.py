"""What of a net is a fork's and unknown here, all of it at once: layer types, and fields of a text."""

from __future__ import annotations

import re
from typing import Any, Iterable

from caffe_pylayers._layer.quote import plain, quoted
from caffe_pylayers._nets.forks.messages import message_class
from caffe_pylayers._nets.forks.names import fork_of_field, fork_of_type
from caffe_pylayers._nets.forks.table import dialect_of, is_done

_NAME = re.compile(r"([A-Za-z_]\w*)\s*[:{<]")
_NO_NAMES = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*')  # strings and comments


def types_by_fork(layers: Iterable[Any]) -> list[str]:
    """Return for each fork that has types of these layers ``FORK: Type (layer "x", "y" ...: not yet), Type ...``.

    What ``caffe-pylayers port`` makes a layer of stock Caffe of is ``ported``, in place of ``not yet``.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    for layer in layers:
        fork = fork_of_type(layer.type)
        if fork:
            found.setdefault(fork, {}).setdefault(layer.type, []).append(layer)
    return [
        f"{fork}: " + ", ".join(f"{kind} ({_layers(same)})" for kind, same in kinds.items())
        for fork, kinds in found.items()
    ]


def _layers(layers: list[Any]) -> str:
    names = ", ".join(quoted(layer.name) for layer in layers[:2])
    more = f" and {len(layers) - 2} more" if len(layers) > 2 else ""
    return f"layer {names}{more}: {'ported' if is_done(layers[0]) else 'not yet'}"


def unread(text: str, messages: Any) -> list[str]:
    """Return what of a prototxt's text nothing here reads: its fields, and its layers' types, by fork."""
    from google.protobuf import text_format

    try:
        net = text_format.Parse(text, message_class(messages, "NetParameter")(), allow_unknown_field=True)
    except text_format.ParseError:  # for more than an unknown field
        return fields_by_fork(text, messages)
    return fields_by_fork(text, messages) + unknown_types(layer for layer in net.layer if dialect_of(layer) is None)


def unknown_types(layers: Iterable[Any]) -> list[str]:
    """Return ``unknown layer types of FORK: Type (layer "x": not yet) ...`` for each fork of what nothing computes."""
    return [f"unknown layer types of {of_fork}" for of_fork in types_by_fork(x for x in layers if not is_done(x))]


def fields_by_fork(text: str, messages: Any) -> list[str]:
    """Return for each fork that has fields in a prototxt's text which nothing here reads ``FORK: a, b``.

    Without a fork, ``a, b``: names that no message of any fork here has.
    """
    known = _field_names(messages)
    names = dict.fromkeys(name for name in _NAME.findall(_NO_NAMES.sub("", text)) if name not in known)
    found: dict[str | None, list[str]] = {}
    for name in names:
        found.setdefault(fork_of_field(name), []).append(plain(name))
    return [", ".join(same) if fork is None else f"{fork}: {', '.join(same)}" for fork, same in found.items()]


def _field_names(messages: Any) -> set[str]:
    file = message_class(messages, "NetParameter").DESCRIPTOR.file
    return {field.name for message in _all(file.message_types_by_name.values()) for field in message.fields}


def _all(messages: Iterable[Any]) -> Iterable[Any]:
    for message in messages:
        yield message
        yield from _all(message.nested_types)

"""Hints for a text that protobuf cannot parse: another kind of file, a fork's field, a name misspelt."""

from __future__ import annotations

import difflib
import re
from typing import Any, Iterable

from caffe_pylayers._layer.quote import plain
from caffe_pylayers._nets.forks.names import fork_of_field
from caffe_pylayers._nets.forks.unknown import unread

_UNKNOWN_FIELD = re.compile(r'Message type "caffe\.(?P<message>[\w.]+)" has no field named "(?P<field>\w+)"')
_UNKNOWN_VALUE = re.compile(r'Enum type "caffe\.(?P<enum>[\w.]+)" has no value named (?P<value>\w+)')
_STRING_OR_COMMENT = re.compile(r""""(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*'|#.*""")
_OTHER_LAYER = {"LayerParameter": "V1LayerParameter", "V1LayerParameter": "LayerParameter"}
_WRITTEN = {"LayerParameter": "layer {}", "V1LayerParameter": "layers {}, the old format,"}
_LISTED = 4


def hint(text: str, kind: str, error: str, messages: Any) -> str:
    """Return a sentence to add to protobuf's error about a text, with a space before it; "" where there is none.

    kind: what the text should be, NetParameter or SolverParameter.
    """
    sentence = _kind_hint(text, kind, messages)
    if not sentence:
        sentence = _field_hint(text, error, messages) or _value_hint(error, messages)
    if not sentence and _is_cut_off(text):
        sentence = "More braces open than close: is the file whole?"
    return f" {sentence}" if sentence else ""


def _is_cut_off(text: str) -> bool:
    outside = _STRING_OR_COMMENT.sub("", text)
    return outside.count("{") > outside.count("}")


def _kind_hint(text: str, kind: str, messages: Any) -> str:
    """Say that a text is a solver instead of a net, and which net it names, or the other way round; "" for neither."""
    from google.protobuf import text_format

    other = "SolverParameter" if kind == "NetParameter" else "NetParameter"
    try:
        found = text_format.Parse(text, getattr(messages, other)())
    except text_format.ParseError:
        return ""
    if kind == "SolverParameter":
        return "This is a net; give the solver that names it"
    net = found.net or found.train_net
    return f"This is a solver, not a net{f'; its net is {plain(net)}' if net else ''}"


def _field_hint(text: str, error: str, messages: Any) -> str:
    """Say where a field belongs that the message does not have, or which one may be meant; "" for other errors."""
    found = _UNKNOWN_FIELD.search(error)
    wrong = _message_type(found["message"], messages) if found else None
    if not found or wrong is None:
        return ""
    field, types = found["field"], messages.DESCRIPTOR.message_types_by_name
    fork = fork_of_field(field)
    if fork:
        all_of_it = "; ".join(unread(text, messages))
        return f"It is a field of {fork}" + (f". Nothing here reads, yet: {all_of_it}" if all_of_it else "")
    other = _OTHER_LAYER.get(wrong.name)
    if other and field in types[other].fields_by_name:
        return f"{_WRITTEN[other]} has it"
    owners = sorted(f.name for f in wrong.fields if f.message_type and field in f.message_type.fields_by_name)
    if owners:
        more = ", ..." if len(owners) > _LISTED else ""
        return f"It belongs into one of its messages: {', '.join(owners[:_LISTED])}{more}"
    return _meant(field, wrong.fields_by_name)


def _value_hint(error: str, messages: Any) -> str:
    """Say which value of an enumeration may be meant by one that it lacks, and list all; "" for other errors."""
    found = _UNKNOWN_VALUE.search(error)
    if not found:
        return ""
    *outer, name = found["enum"].split(".")
    place = _message_type(".".join(outer), messages) if outer else messages.DESCRIPTOR
    if place is None or name not in place.enum_types_by_name:
        return ""
    values = [value.name for value in place.enum_types_by_name[name].values]
    return f"{_meant(found['value'], values)} It has {', '.join(values)}".strip()


def _message_type(name: str, messages: Any) -> Any:
    """Return the descriptor of a message, ``Outer.Inner`` for one inside another; None where there is none."""
    outer, *inner = name.split(".")
    found = messages.DESCRIPTOR.message_types_by_name.get(outer)
    for part in inner:
        found = found and found.nested_types_by_name.get(part)
    return found


def _meant(word: str, known: Iterable[str]) -> str:
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1)
    return f"Did you mean {lower[close[0]]}?" if close else ""

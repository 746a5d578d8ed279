"""Caffe's messages with the fields of all forks, made when a text needs them."""

from __future__ import annotations

import functools
from typing import Any

from caffe_pylayers._nets.forks.enums import ENUMS, VALUES
from caffe_pylayers._nets.forks.fields import MESSAGES

FIRST = 100_000  # the number of the first fork field and value: texts have none, and all of Caffe's own are below

# The names of the fields that forks add to a layer.
FIELDS_OF_LAYERS = frozenset(text.split(":")[0] for text in MESSAGES["LayerParameter"].split(", "))

_ENUM = "Forks{}"  # a name that no fork's own messages have
_SCALARS = ("bool", "double", "float", "int32", "string", "uint32")


def of_forks(number: int) -> bool:
    """Return True for the number of a field or a value that is a fork's."""
    return number >= FIRST


def repeated(field: Any) -> bool:
    """Return True for the descriptor of a repeated field."""
    # label has gone from newer versions of protobuf, which older ones have in place of is_repeated.
    return bool(field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED)


def is_default(field: Any, value: Any) -> bool:
    """Return True for a field that is set to the value that it has when it is not."""
    return not repeated(field) and field.message_type is None and bool(value == field.default_value)


@functools.lru_cache(maxsize=None)
def message_class(messages: Any, name: str) -> Any:
    """Return the class of a message of Caffe with the forks' fields.

    messages: the module of Caffe's messages, caffe_pb2. A field that it has itself stays as it is, or is repeated.
    """
    return _class(_pool(messages), name)


# What of a message counts in a file of weights.
_OF_WEIGHTS = {
    "NetParameter": {"name", "layers", "layer"},
    "LayerParameter": {"name", "type", "blobs"},
    "V1LayerParameter": {"name", "type", "blobs", "layer"},
    "V0LayerParameter": {"name", "type", "blobs"},
}


def weights_alone(content: bytes, net: Any) -> bytes | None:
    """Return a binary NetParameter with the layers' names, types and blobs of another; None for content that is none.

    A fork's own fields may have the numbers of others in Caffe's, as which they cannot be read. net: a message of the
    class that shall read it.
    """
    from google.protobuf import descriptor_pb2
    from google.protobuf.message import DecodeError

    file = descriptor_pb2.FileDescriptorProto()
    net.DESCRIPTOR.file.CopyToProto(file)
    for message in file.message_type:
        if message.name in _OF_WEIGHTS:
            kept = [field for field in message.field if field.name in _OF_WEIGHTS[message.name]]
            del message.field[:]
            message.field.extend(kept)
    try:
        found = _class(_pool_of(file), "NetParameter").FromString(content)
    except DecodeError:
        return None
    found.DiscardUnknownFields()
    weights: bytes = found.SerializeToString()
    return weights


def _class(pool: Any, name: str) -> Any:
    from google.protobuf import message_factory

    descriptor = pool.FindMessageTypeByName(f"caffe.{name}")
    if hasattr(message_factory, "GetMessageClass"):  # from protobuf 4.22 on
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)  # type: ignore[attr-defined]


def _pool_of(file: Any) -> Any:
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


@functools.lru_cache(maxsize=None)
def _pool(messages: Any) -> Any:
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto()
    messages.DESCRIPTOR.CopyToProto(file)
    found = {message.name: message for message in file.message_type}
    for name, values in ENUMS.items():
        # In a message of its own, as the values of a file's enumerations may not share names.
        enum = file.message_type.add(name=_ENUM.format(name)).enum_type.add(name="Value")
        _add_values(enum, values, 0)
    for name, values in VALUES.items():
        message, _, inner = name.partition(".")
        _add_values(next(enum for enum in found[message].enum_type if enum.name == inner), values, FIRST)
    for name, fields in MESSAGES.items():
        target = found.get(name) or file.message_type.add(name=name)
        has = {field.name: field for field in target.field}
        for number, text in enumerate(fields.split(", "), FIRST):
            own = has.get(text.split(":")[0])
            if own is None:
                _add_field(target.field.add(number=number), text)
            elif text.endswith("*"):
                own.label = own.LABEL_REPEATED
                own.ClearField("default_value")
    return _pool_of(file)


def _add_values(enum: Any, values: str, first: int) -> None:
    has = {value.name for value in enum.value}
    for number, value in enumerate(values.split(), first):
        if value not in has:
            enum.value.add(name=value, number=number)


def _add_field(field: Any, text: str) -> None:
    """Fill the description of a field from ``name: type``, ``name: type*`` or ``name: type = default``."""
    field.name, rest = text.split(": ")
    kind, _, default = rest.partition(" = ")
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if kind in _SCALARS:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
    else:
        field.type_name = f".caffe.{_ENUM.format(kind)}.Value" if kind in ENUMS else f".caffe.{kind}"
        field.type = field.TYPE_ENUM if kind in ENUMS else field.TYPE_MESSAGE
    if default:
        field.default_value = default

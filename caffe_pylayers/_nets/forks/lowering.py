"""Nets of forks as nets in Caffe's own messages.

A layer of a fork's type keeps its type. It gets a python_param that says which layer of the library computes it, or the
parameters of the type of stock Caffe that it equals.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Container, Iterator, NamedTuple, Sequence

from caffe_pylayers._nets.forks import evaluation, whole_net
from caffe_pylayers._nets.forks.dialects import LEFT_OUT, Dialect
from caffe_pylayers._nets.forks.messages import FIELDS_OF_LAYERS, is_default, message_class, of_forks, repeated
from caffe_pylayers._nets.forks.names import fork_of_field, fork_of_type
from caffe_pylayers._nets.forks.reading import first_of, set_fields
from caffe_pylayers._nets.forks.table import DIALECTS, KINDS, TOLD, dialect_of, in_python, is_unmarked
from caffe_pylayers._nets.forks.unknown import unknown_types
from caffe_pylayers._nets.said import say
from caffe_pylayers._nets.titles import title

if TYPE_CHECKING:
    from caffe_pylayers._nets.stored import AskBlobs


def parse(text: str, kind: str, messages: Any) -> Any:
    """Return a text as a message that has the forks' fields too; raises protobuf's ParseError.

    kind: the message's name, NetParameter or SolverParameter. messages: the module of Caffe's messages.
    """
    from google.protobuf import text_format

    return text_format.Parse(text, message_class(messages, kind)())


_LISTED = 8
_NETS = ("net_param", "train_net_param", "test_net_param")


class Lowered(NamedTuple):
    """A fork's net or solver in Caffe's own messages, and what became of it.

    message: the NetParameter or SolverParameter. became: for each layer of a fork's type (name, type, what it is here).
    left_out: (the layer's name, or "" outside of layers; the field) for each field that changes no value.
    faults: what has no equal here, ``layer "x" (Type): why``. doubts: what the net does not tell, and how to say it.
    """

    message: Any
    became: list[tuple[str, str, str]]
    left_out: list[tuple[str, str]]
    faults: list[str]
    doubts: list[str]


def lower(net: Any, messages: Any, name: str | os.PathLike[str], blobs: AskBlobs | None = None) -> Any:
    """Return a NetParameter of the current format, Caffe's or ``parse``'s, as Caffe's own.

    ``name`` stands for the file in what is said. blobs: as in lowered. Logs a warning of the fields that are left
    out. Raises ValueError("NAME: message; message ...") for fields that would change what a net computes, and have no
    equal here; the types that nothing here does stand beside them.
    """
    found = lowered(net, messages, blobs)
    others = (layer for layer in found.message.layer if layer.type not in KINDS)
    return _told(found, name, unknown_types(others) if found.faults else [])


def lower_solver(solver: Any, messages: Any, name: str | os.PathLike[str]) -> Any:
    """Return a SolverParameter, Caffe's or ``parse``'s, as Caffe's own, with the nets in it lowered; as lower does."""
    return _told(lowered_solver(solver, messages), name)


def _told(found: Lowered, name: str | os.PathLike[str], others: Sequence[str] = ()) -> Any:
    if found.faults:
        faults = list(dict.fromkeys(found.faults))
        more = [f"and {len(faults) - _LISTED} more"] if len(faults) > _LISTED else []
        raise ValueError(f"{name}: {'; '.join([*faults[:_LISTED], *more, *others])}")
    for doubt in found.doubts:
        say(f"{name}: {doubt}")
    if found.left_out:
        say(f"{name}: {what_is_left_out(found)}")
    return found.message


def what_is_left_out(found: Lowered) -> str:
    """Return the sentence of the fields that are left out."""
    counts = Counter(place for _, place in found.left_out)
    fields = ", ".join(f"{place} ({count})" if count > 1 else place for place, count in sorted(counts.items()))
    return f"left out, as they change no value: {fields}"


def lowered_solver(solver: Any, messages: Any) -> Lowered:
    """Return what lower_solver returns, with all that became of it, faults too."""
    found = Lowered(solver, [], [], [], [])
    for place, field in _fields_of_forks(solver):
        if field.name in LEFT_OUT:
            found.left_out.append(("", place))
        elif field.name not in evaluation.FIELDS or evaluation.unknown(solver, field.name):
            found.faults.append(_unread(solver, place, "the solver"))
    if type(solver) is not messages.SolverParameter and len(solver.device_id) > 1:
        found.left_out.append(("", "device_id, all but the first"))
        del solver.device_id[1:]
    stock = messages.SolverParameter.FromString(solver.SerializeToString())
    stock.DiscardUnknownFields()
    if type(solver) is not messages.SolverParameter:
        stock.MergeFromString(evaluation.kept(solver))
    for field in _NETS:
        given, own = getattr(solver, field), getattr(stock, field)
        if field != "test_net_param":
            given, own = ([given], [own]) if solver.HasField(field) else ([], [])
        for net, target in zip(given, own):
            inner = lowered(net, messages)
            target.CopyFrom(inner.message)
            found.became.extend(inner.became)
            found.left_out.extend(inner.left_out)
            found.faults.extend(inner.faults)
            found.doubts.extend(inner.doubts)
    return found._replace(message=stock)


def lowered(net: Any, messages: Any, blobs: AskBlobs | None = None) -> Lowered:
    """Return what lower returns, with all that became of it, faults too.

    blobs: returns the shapes of the net's learned blobs, by layer; called where they tell types that forks spell alike.
    """
    found = Lowered(net, [], [], [], [])
    kinds = KINDS if blobs is None else TOLD
    if type(net) is messages.NetParameter:
        # Caffe's own messages have no fork's fields.
        if not any(layer.type in kinds or is_unmarked(layer) for layer in net.layer):
            return found
        net = message_class(messages, "NetParameter").FromString(net.SerializeToString())
    found.doubts.extend([*whole_net.settle(net), *whole_net.doubts(net)])
    shown = [] if blobs is None else _show_blobs(net, blobs)
    has = messages.LayerParameter.DESCRIPTOR.fields_by_name
    layers, names = [], {layer.name for layer in net.layer}
    for layer in net.layer:
        layers.append(layer)
        dialect = dialect_of(layer)
        if dialect is None and layer.blobs:
            dialect = _by_fields(layer)
            found.faults.extend([] if dialect is None else [_misfit(layer)])
        if dialect is not None and _foreign(layer, dialect, has):
            layers += _unlike(names, _lower_layer(layer, dialect, found))
        elif dialect is None and layer.type in KINDS and not in_python(layer):
            found.faults.extend(_without_meaning(layer, has))
    for layer in shown:
        layer.ClearField("blobs")
    if len(layers) > len(net.layer):
        net.ClearField("layer")
        net.layer.extend(layers)
    for layer in (None, *net.layer):
        for place, field in _fields_of_forks(net if layer is None else layer):
            if field.name in LEFT_OUT:
                found.left_out.append(("" if layer is None else layer.name, place))
            elif layer is None or "." in place:  # others are of other types than the layer's, or of one without a row
                found.faults.append(_unread(net, place, "the net") if layer is None else _unread(layer, place))
    stock = messages.NetParameter.FromString(net.SerializeToString())
    stock.DiscardUnknownFields()
    return found._replace(message=stock)


def _unlike(names: Container[str], layers: Sequence[Any]) -> Sequence[Any]:
    """Give layers that come behind others names that none of the net has."""
    for layer in layers:
        while layer.name in names:
            layer.name += "_"
    return layers


def _show_blobs(net: Any, blobs: AskBlobs) -> list[Any]:
    """Give the layers that rows may tell by them learned blobs of these shapes, without values; return these layers."""
    shown = [layer for layer in net.layer if layer.type in TOLD and not layer.blobs]
    shapes = blobs() if shown else {}
    for layer in shown:
        for _, blob in sorted(shapes.get(layer.name, {}).items()):
            layer.blobs.add().shape.dim.extend(blob.dims)
    return shown


def _foreign(layer: Any, dialect: Dialect, has: Container[str]) -> bool:
    """Return False where the caffe of the messages with these fields of a layer is that fork itself."""
    if dialect.kind not in KINDS:
        # By blobs or fields its dialect was told.
        return dialect.unmarked or bool(layer.blobs) or any(_fields_of_forks(layer))
    own = [param for param in dialect.params if param in FIELDS_OF_LAYERS]
    return not own or any(param not in has for param in own)


def _without_meaning(layer: Any, has: Container[str]) -> list[str]:
    """Say of a layer that is none of its type's meanings which of its fields makes it so, where one alone does."""
    rows = [row for row in DIALECTS if row.kind == layer.type]
    if not all(_foreign(layer, row, has) for row in rows):
        return []
    places = [
        (param, name)
        for param in dict.fromkeys(param for row in rows for param in row.params)
        for name in set_fields(getattr(layer, param))
    ]
    unread = [place for place in places if _has_meaning_without(layer, *place)]
    if unread:
        return [_unread(layer, ".".join(place)) for place in unread]
    fields = " and ".join(map(".".join, places)) or "no fields"
    return [
        f"{title(layer)}: of {fork_of_type(layer.type)}; nothing here is one with {_count(layer.bottom, 'bottom')}, "
        f"{_count(layer.top, 'top')} and {fields}"
    ]


def _has_meaning_without(layer: Any, param: str, name: str) -> bool:
    without = type(layer)()
    without.CopyFrom(layer)
    getattr(without, param).ClearField(name)
    return dialect_of(without) is not None


def _count(blobs: Sequence[str], what: str) -> str:
    return f"{len(blobs)} {what}{'' if len(blobs) == 1 else 's'}"


def _lower_layer(layer: Any, dialect: Dialect, found: Lowered) -> Sequence[Any]:
    """Lower a layer, and return those that come behind it."""
    kind = layer.type
    if dialect.equal:
        if kind not in KINDS:  # else it keeps the fork's, see engine_type
            layer.type = dialect.equal
        if dialect.equal != kind:
            found.became.append((layer.name, kind, dialect.equal))
        return _changed(layer, dialect, found)
    behind: Sequence[Any] = ()
    if not layer.HasField("python_param"):  # else it is as this package has written it
        module, _, cls = dialect.layer.rpartition(".")
        layer.python_param.module, layer.python_param.layer = f"caffe_pylayers.{module}", cls
        parameters = dialect.parameters(layer)
        if parameters:
            layer.python_param.param_str = json.dumps(parameters)
        found.faults.extend(_contradicted(layer, dialect) or (_unread(layer, place) for place in dialect.unread(layer)))
        found.left_out.extend((layer.name, place) for place in dialect.left_out(layer))
        behind = _changed(layer, dialect, found)
        for param in dialect.params:
            layer.ClearField(param)
    found.became.append((layer.name, kind, f"{layer.python_param.module}.{layer.python_param.layer}"))
    return behind


def _changed(layer: Any, dialect: Dialect, found: Lowered) -> Sequence[Any]:
    try:
        return (dialect.change(layer) if dialect.change is not None else None) or ()
    except ValueError as error:
        found.faults.append(f"{title(layer)}: {error}")
        return ()


def _contradicted(layer: Any, dialect: Dialect) -> list[str]:
    """Say that the blobs in its weights make a layer another than its fields do; nothing where they do not."""
    unread = dialect.unread(layer) if layer.blobs else []
    if not unread or _by_fields(layer) in (dialect, None):
        return []
    return [
        f"{title(layer)}: with {len(layer.blobs)} learned blobs, as its weights have them, it takes no "
        f"{' and no '.join(unread)}; are these weights of this net?"
    ]


def _misfit(layer: Any) -> str:
    """Say that no layer of this type has as many blobs as it has in its weights."""
    return f"{title(layer)}: none has {len(layer.blobs)} learned blobs, as its weights have them; are they of this net?"


def _by_fields(layer: Any) -> Dialect | None:
    """Return the row of a layer without its blobs."""
    fields = type(layer)()
    fields.CopyFrom(layer)
    fields.ClearField("blobs")
    return dialect_of(fields)


def _fields_of_forks(message: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the forks' fields in a message, ``a.b`` with its descriptor, but for those that have their default."""
    for field, value in message.ListFields():
        place = f"{before}{field.name}"
        if _is_of_forks(field, value):
            yield place, field
        elif field.message_type is not None and field.name not in ("layer", "blobs", *_NETS):
            for inner in value if repeated(field) else [value]:
                yield from _fields_of_forks(inner, f"{place}.")


def _is_of_forks(field: Any, value: Any) -> bool:
    if of_forks(field.number):
        return not is_default(field, value)
    return bool(field.enum_type and not repeated(field) and of_forks(value))


def _unread(message: Any, place: str, where: str = "") -> str:
    """Return what is said of a field ``a.b`` of a message, by default a layer."""
    where = where or title(message)
    fork, value = fork_of_field(place.rpartition(".")[2]), _shown(message, place)
    return (
        f"{where}: nothing here does what {place} asks for{f', a field of {fork}' if fork else ''}"
        f"{f': {value}' if value else ''}"
    )


def _shown(message: Any, place: str) -> str:
    """Return the value of a field ``a.b`` as a text has it; "" for messages, and for fields with several values."""
    from google.protobuf import text_format

    *outer, name = place.split(".")
    for inner in outer:
        message = first_of(message, inner)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.message_type is not None or repeated(field) or not message.HasField(name):
        return ""
    out = io.StringIO()
    text_format.PrintFieldValue(field, getattr(message, name), out)
    return out.getvalue()

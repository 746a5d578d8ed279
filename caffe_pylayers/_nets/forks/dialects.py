"""One meaning of a fork's layer type, and how its parameters are read."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping

from caffe_pylayers._nets.forks.messages import is_default, repeated

# Fields that change no value that a net computes: how, how fast, or in which precision a fork computes it.
LEFT_OUT = frozenset(
    [
        "engine",
        "conv_algorithm",
        "cudnn_convolution_algo_seeker",
        "conv_algos_override",
        "default_conv_algos_override",
        "forward_type",
        "backward_type",
        "forward_math",
        "backward_math",
        "default_forward_type",
        "default_backward_type",
        "default_forward_math",
        "default_backward_math",
        "quantization_param",
        "per_fla_fuse",
        "global_grad_scale",
        "global_grad_scale_adaptive",
        "eltwise_mem_sharing",
        "reduce_buckets",
        "compile_net_state",
        "cache",
        "precache",
        "threads",
        "parser_threads",
        "use_gpu_transform",
        "icnet",
        "update_global_stats",
        "use_weight_bias",
    ]
)


def always(layer: Any) -> bool:
    """Return True: a type has one meaning, or this one where no other does."""
    return True


@dataclass(frozen=True)
class Dialect:
    """A layer type with one of its meanings in a fork: a fork's type, or one of Caffe with fields of a fork.

    kind: the type. layer: the library's, ``module.Class``; or equal: stock Caffe's type.
    param: the layer's fields that hold its parameters, such as ``loss_param softmax_param``; "" where it has none.
    names: the fields that count, ``name`` or ``inner.name``, each with ``=ours`` behind it where the library's
        parameter has another name; ``height+width=size`` makes a list of two where both are set.
    ignored: the fields that change no value, ``name`` or ``inner.name``, besides those of LEFT_OUT.
    read: the fields that ``more`` and ``change`` read, ``name`` or ``inner.name``.
    values: what an enumeration's value is here, by its name in small letters; the name, where it is not among them.
    filler: the field with the filler of the learned blob.
    more: returns further parameters for a layer.
    change: changes what else is to change in the message, such as the rates of learned blobs; returns the layers that
        come behind it, or None.
    meant: of a type with several meanings, True for a layer that has this one.
    unmarked: True for a type of Caffe that means it without any field of a fork.
    """

    kind: str
    layer: str = ""
    param: str = ""
    names: str = ""
    ignored: str = ""
    read: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    filler: str = ""
    more: Callable[[Any], Mapping[str, Any]] | None = None
    equal: str = ""
    change: Callable[[Any], Any] | None = None
    meant: Callable[[Any], bool] = always
    unmarked: bool = False

    def parameters(self, layer: Any) -> dict[str, Any]:
        """Return what param_str holds: the values that are given, and the fork's defaults."""
        found: dict[str, Any] = {}
        if self.filler:
            found.update(filler_parameters(getattr(self.holder(layer, self.filler), self.filler)))
        for paths, ours in self._fields():
            message = self.holder(layer, paths[0][0])
            if len(paths) > 1:
                if all(_has(message, path) for path in paths):
                    found[ours] = [_value(message, path) for path in paths]
                continue
            value = _value(message, paths[0])
            if value is not None:
                found[ours] = self.values.get(value, value) if isinstance(value, str) else value
        if self.more is not None:
            found.update(self.more(layer))
        return found

    def unread(self, layer: Any) -> list[str]:
        """Return the fields of the layer's own messages that are set, and do not count here."""
        inner: dict[str, set[str]] = {}  # by field, the fields within that count
        counts = self._counting()
        for path in [*counts, *(path.split(".") for path in self.ignored.split())]:
            inner.setdefault(path[0], set()).update(path[1:2])
        unread = [
            f"{param}.{name}"
            for param in self.params
            for name in _set(getattr(layer, param))
            if name not in inner and name not in LEFT_OUT
        ]
        for outer in dict.fromkeys(path[0] for path in counts if len(path) > 1):
            param, message = self._place(layer, outer)
            unread += [f"{param}.{outer}.{name}" for name in _set(first_of(message, outer)) if name not in inner[outer]]
        if self.filler:
            param, message = self._place(layer, self.filler)
            if not filler_parameters(getattr(message, self.filler)):
                unread.append(f"{param}.{self.filler}")
        return unread

    def left_out(self, layer: Any) -> list[str]:
        """Return the fields of the layer's own messages that are set, and change no value: ``param.a``."""
        counts = {path[0] for path in self._counting()}
        ignored = [path.split(".") for path in (*self.ignored.split(), *sorted(LEFT_OUT - counts))]
        return [
            f"{param}.{'.'.join(path)}"
            for param in self.params
            for path in ignored
            if _is_set(getattr(layer, param), path)
        ]

    @property
    def params(self) -> list[str]:
        """The names of the layer's fields that hold its parameters."""
        return self.param.split()

    def holder(self, layer: Any, name: str) -> Any:
        """Return the first of the layer's own messages that has such a field."""
        return self._place(layer, name)[1]

    def _place(self, layer: Any, name: str) -> tuple[str, Any]:
        messages = ((param, getattr(layer, param)) for param in self.params)
        return next(found for found in messages if name in found[1].DESCRIPTOR.fields_by_name)

    def _counting(self) -> list[list[str]]:
        """Return the paths of the fields that count."""
        paths = [path for found, _ in self._fields() for path in found]
        return [*paths, *(path.split(".") for path in (*self.read.split(), self.filler) if path)]

    def _fields(self) -> Iterator[tuple[list[list[str]], str]]:
        """Yield for each of names (its paths, the library's name)."""
        for words in self.names.split():
            paths, _, ours = words.partition("=")
            split = [path.split(".") for path in paths.split("+")]
            yield split, ours or split[0][-1]


def behind(layer: Any, kind: str) -> Any:
    """Return a layer that works in place on another one's top, for what a fork's layer does at its end."""
    found = type(layer)(name=f"{layer.name}/{kind.lower()}", type=kind, bottom=layer.top, top=layer.top)
    found.include.extend(layer.include)
    found.exclude.extend(layer.exclude)
    return found


def _set(message: Any) -> list[str]:
    return [known.name for known, value in message.ListFields() if not is_default(known, value)]


def _is_set(message: Any, path: list[str]) -> bool:
    """Return True for a field that is there, and not as its default."""
    name, *rest = path
    return name in _set(message) and (not rest or _is_set(first_of(message, name), rest))


def _has(message: Any, path: list[str]) -> bool:
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


def _value(message: Any, path: list[str]) -> Any:
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

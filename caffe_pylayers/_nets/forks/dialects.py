"""One meaning of a fork's layer type, and how its parameters are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping

from caffe_pylayers._nets.forks.fillers import filler_parameters
from caffe_pylayers._nets.forks.reading import first_of, has, is_set, set_fields, value_of

# Fields that change no value that a net computes: how, how fast, or in which precision a fork computes it.
LEFT_OUT = frozenset(
    [
        "engine",
        "richness",
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
    read: the fields that ``more`` and ``change`` read, ``name`` or ``inner.name``, each with ``=ours`` behind it where
        an error of the library's parameter is about the field.
    values: what an enumeration's value is here, by its name in small letters; the name, where it is not among them.
    filler: the field with the filler of the learned blob.
    more: returns further parameters for a layer.
    change: changes what else is to change in the message, such as the rates of learned blobs; returns the layers that
        come behind it, or None; raises ValueError for values that make no such layer.
    meant: of a type with several meanings, True for a layer that has this one.
    unmarked: True for a type of Caffe that means it without any field of a fork, which meant tells in Caffe's messages.
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
        for paths, ours in _fields(self.names):
            message = self.holder(layer, paths[0][0])
            if len(paths) > 1:
                if all(has(message, path) for path in paths):
                    found[ours] = [value_of(message, path) for path in paths]
                continue
            value = value_of(message, paths[0])
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
            for name in set_fields(getattr(layer, param))
            if name not in inner and name not in LEFT_OUT
        ]
        for outer in dict.fromkeys(path[0] for path in counts if len(path) > 1):
            param, message = self._place(layer, outer)
            unread += [
                f"{param}.{outer}.{name}" for name in set_fields(first_of(message, outer)) if name not in inner[outer]
            ]
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
            if is_set(getattr(layer, param), path)
        ]

    def sources(self, layer: Any) -> dict[str, list[str]]:
        """Return for each of the library's parameters the fields that its value comes from, ``param.name``.

        layer: any, in messages that have the forks' fields.
        """
        found: dict[str, list[str]] = {}
        for paths, ours in _fields(f"{self.names} {self.read}"):
            for path in paths:
                place = f"{self._place(layer, path[0])[0]}.{'.'.join(path)}"
                if place not in found.setdefault(ours, []):
                    found[ours].append(place)
        return found

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
        paths = [path for found, _ in _fields(f"{self.names} {self.read}") for path in found]
        return [*paths, self.filler.split(".")] if self.filler else paths


def _fields(names: str) -> Iterator[tuple[list[list[str]], str]]:
    """Yield for each of a dialect's names (its paths, the library's name)."""
    for words in names.split():
        paths, _, ours = words.partition("=")
        split = [path.split(".") for path in paths.split("+")]
        yield split, ours or split[0][-1]


def behind(layer: Any, kind: str) -> Any:
    """Return a layer that works in place on another one's top, for what a fork's layer does at its end.

    Its name has no ``/``, which HDF5 takes for a folder.
    """
    found = type(layer)(name=f"{layer.name}.{kind.lower()}", type=kind, bottom=layer.top, top=layer.top)
    found.include.extend(layer.include)
    found.exclude.extend(layer.exclude)
    return found

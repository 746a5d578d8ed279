"""A net's blobs and layers by name, in dictionaries that suggest a name for a misspelt one."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from caffe_pylayers._layer.quote import plain, quoted

if TYPE_CHECKING:
    from caffe_pylayers.runtime.memory.blob import Blob
    from caffe_pylayers.runtime.memory.blob_vec import BlobVec
    from caffe_pylayers.runtime.net.graph import Graph

T = TypeVar("T")


class UnknownName(KeyError):  # noqa: N818 - a KeyError by another message
    """A KeyError whose text is a sentence."""

    def __str__(self) -> str:
        return str(self.args[0])


def unknown(kind: str, name: Any, names: Iterable[str]) -> str:
    """Return the message for a name that is not among those there are: it suggests close ones, or lists them all."""
    names, asked = list(map(plain, names)), plain(str(name))
    close = difflib.get_close_matches(asked, names)
    if close:
        return f"no {kind} is called {quoted(asked)}; did you mean {' or '.join(close)}?"
    return (
        f"no {kind} is called {quoted(asked)}; there {'is' if len(names) == 1 else 'are'} {', '.join(names) or 'none'}"
    )


class ByName(OrderedDict[str, T]):
    """An OrderedDict of a net's blobs, layers or parameters; UnknownName, a KeyError, suggests close names."""

    kind = "name"

    @classmethod
    def of(cls, kind: str, items: Iterable[tuple[str, T]]) -> ByName[T]:
        """Make one of (name, value) pairs; ``kind`` is the word of messages for a value, such as "blob"."""
        made = cls(items)
        made.kind = kind
        return made

    def __missing__(self, name: Any) -> NoReturn:
        raise UnknownName(unknown(self.kind, name, self))


class Names:
    """The dictionaries and lists that pycaffe's Net shows, each made once: ``net.params is net.params``."""

    def __init__(self, graph: Graph) -> None:
        steps, names = graph.steps, graph.names
        self.loss_weights: ByName[float] = ByName.of("blob", zip(names, graph.loss_weights()))
        layers = self._layer_names = [step.layer.name for step in steps]
        self.blobs: ByName[Blob] = ByName.of("blob", zip(names, graph.blobs))
        self.layers: ByName[Any] = ByName.of("layer", zip(layers, (step.worker for step in steps)))
        learned = [(step.layer.name, step.layer.blobs) for step in steps if step.layer.blobs]
        self.params: ByName[BlobVec] = ByName.of("layer with learned blobs", learned)
        tops = ([names[i] for i in step.top_ids] for step in steps)
        self.tops: ByName[list[str]] = ByName.of("layer", zip(layers, tops))
        bottoms = ([names[i] for i in step.bottom_ids] for step in steps)
        self.bottoms: ByName[list[str]] = ByName.of("layer", zip(layers, bottoms))
        self.inputs = [names[i] for i in graph.inputs]
        self.outputs = [names[i] for i in graph.outputs]

    def index(self, layer: str) -> int:
        """Return the index of a layer; ValueError for one that the net lacks."""
        try:
            return self._layer_names.index(layer)
        except ValueError:
            raise ValueError(unknown("layer", layer, self._layer_names)) from None

    def union(self, names: Sequence[str], more: Sequence[str] | None) -> set[str]:
        """Return the union of two lists of blob names; KeyError for one that the net lacks, TypeError for a str."""
        if isinstance(more, str):
            raise TypeError(f"takes a list of blob names, as [{more!r}], got {more!r}")
        wanted = {*names, *(more or ())}
        for name in wanted:
            self.blobs[name]
        return wanted

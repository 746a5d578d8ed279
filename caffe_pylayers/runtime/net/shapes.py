"""The shapes of a net, found without memory for its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from caffe_pylayers._nets.include_rules import State
from caffe_pylayers.runtime.memory.limits import Shape
from caffe_pylayers.runtime.net.graph import Graph


@dataclass(frozen=True)
class LearnedShape:
    """A learned blob. owner: the index of the layer whose blob this one is, where it is shared; else None."""

    shape: Shape
    owner: int | None


@dataclass(frozen=True)
class LayerShapes:
    """A layer of a net: its LayerParameter's name and type, and its blobs in order, by name with their shapes.

    unshaped: the tops that neither setup nor reshape has given a shape, as only Python layers do; () stands for it.
    """

    name: str
    type: str
    bottoms: list[tuple[str, Shape]]
    tops: list[tuple[str, Shape]]
    learned: list[LearnedShape]
    unshaped: list[str]


def shapes_of(net_param: Any, state: State, started: Callable[[str], None] | None = None) -> list[LayerShapes]:
    """Return the layers of a net in one state, automatic Splits among them, with the shapes of all blobs.

    net_param: a NetParameter of today's format, as ``_nets.prototxt.read_net`` gives it; left as it is.

    started: called with the name of each layer before it is made.

    Every layer is set up and reshaped as in a net: data layers open their files, Python layers are imported and run
    their setup and reshape. But no blob gets memory unless a Python layer looks at it: learned blobs and the constant
    tops of DummyData are not filled, and no random number is drawn.

    Raises what building the net raises: ValueError for layers that do not connect, LayerError, a ValueError, for
    what a layer refuses, and the exceptions of Python layers.
    """
    graph = Graph(net_param, state, fill=False, started=started)
    owners = graph.parameters.owners
    return [
        LayerShapes(
            step.layer.name,
            step.layer.type,
            [(graph.names[b], graph.blobs[b].shape) for b in step.bottom_ids],
            [(graph.names[t], graph.blobs[t].shape) for t in step.top_ids],
            [
                LearnedShape(blob.shape, owners[i, j][0] if (i, j) in owners else None)
                for j, blob in enumerate(step.layer.blobs)
            ],
            [graph.names[t] for t in step.top_ids if not graph.blobs[t].shape and not graph.blobs[t].count],
        )
        for i, step in enumerate(graph.steps)
    ]

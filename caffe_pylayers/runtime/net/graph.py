"""The graph of a net: its layers set up in order, blobs connected by name, learned blobs shared by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from caffe_pylayers._layer.quote import quoted
from caffe_pylayers._nets.backward_plan import loss_weights, plan_layers, wired_layers
from caffe_pylayers._nets.forks.names import fork_of_type
from caffe_pylayers._nets.forks.table import KINDS, engine_type
from caffe_pylayers._nets.forks.unknown import types_by_fork
from caffe_pylayers._nets.include_rules import State
from caffe_pylayers._nets.titles import title
from caffe_pylayers.runtime import _openmp
from caffe_pylayers.runtime.layers.layer import LAYERS, Count, Layer, LayerError
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import ShapeError
from caffe_pylayers.runtime.net.fusion import fuse
from caffe_pylayers.runtime.net.step import Step

AUTOMATIC = "(automatic)"  # the name of a top that the prototxt leaves out


@dataclass
class Parameters:
    """The learned blobs of a net in Caffe's order, shared ones once, each with its lr_mult and decay_mult.

    owners: for each shared blob after the first its (layer, number), and those of the first.
    """

    learnable: list[Blob] = field(default_factory=list)
    lr_mults: list[float] = field(default_factory=list)
    decay_mults: list[float] = field(default_factory=list)
    owners: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)


class Graph:
    """The layers and blobs of a NetParameter in one state, of which it keeps the phase.

    steps: the layers in order. units: the same, with those fused that are computed together.
    names, blobs: the name of each blob, and the blob. inputs, outputs: the indices of the net's own among them.

    fill: False for a net of which only the shapes are asked: no blob gets values, or memory.
    started: called with the name of each layer before it is made.

    Raises ValueError for layers that do not connect, before any is made, and what a layer raises in its setup.
    """

    def __init__(
        self, param: Any, state: State, fill: bool = True, started: Callable[[str], None] | None = None
    ) -> None:
        _openmp.threads_start()
        self.phase = state.phase
        self._fill = fill
        self._wired = layers = wired_layers(param, state)
        self.steps: list[Step] = []
        self.names: list[str] = []
        self.blobs: list[Blob] = []
        self.inputs: list[int] = []
        self.parameters = Parameters()
        self._available: dict[str, int] = {}
        self._rates: list[tuple[bool, bool]] = []  # for each learnable, True where lr_mult, decay_mult were given
        self._named: dict[str, tuple[tuple[int, int], int]] = {}  # by param name: its owner, its learnable's index
        for layer_param in layers:
            if started is not None:
                started(layer_param.name)
            self._add(layer_param)
        self.outputs = [self._available[name] for name in sorted(self._available)]
        self._plan_backward(layers, param.force_backward)
        self.units = fuse(self.steps)

    def loss_weights(self) -> list[float]:
        """Return the loss weight of each blob: the one in the last layer that writes it, 0 where there is none."""
        found = [0.0] * len(self.blobs)
        for step in self.steps:
            for i, weight in zip(step.top_ids, step.weights):
                found[i] = weight
        return found

    def share_with(self, other: Graph) -> None:
        """Have the other's learned blobs, in one memory, in all layers of the same name.

        LayerError for a layer whose learned blobs have other shapes.
        """
        ours = {step.layer.name: step.layer for step in self.steps}
        for step in other.steps:
            layer = ours.get(step.layer.name)
            if layer is None:
                continue
            shapes = [blob.shape for blob in layer.blobs], [blob.shape for blob in step.layer.blobs]
            if shapes[0] != shapes[1]:
                raise layer.error(f"cannot share parameters of shapes {shapes[1]} with its own, of {shapes[0]}")
            for mine, theirs in zip(layer.blobs, step.layer.blobs):
                mine.share_data(theirs)

    def _add(self, layer_param: Any) -> None:
        if not layer_param.HasField("phase"):
            layer_param.phase = self.phase
        layer = self._make(layer_param)
        bottom_ids = [self._available.pop(name) for name in layer_param.bottom]
        top_ids = self._tops(layer_param, layer, bottom_ids)
        bottom, top = [self.blobs[i] for i in bottom_ids], [self.blobs[i] for i in top_ids]
        _check_counts(layer, len(bottom), len(top))
        step = Step(layer, bottom_ids, top_ids, bottom, top)
        try:
            step.setup()
        except LayerError:
            self._refuse_unshaped(step)  # raises the error's cause, where that is it
            raise
        given = loss_weights(layer_param)
        step.weights = given + [0.0] * (len(top) - len(given))
        for blob, weight in zip(top, step.weights):
            if weight:
                step.losses.append(blob)
                if self._fill:
                    try:
                        blob.write_diff().fill_(weight)
                    except (MemoryError, ShapeError) as error:
                        step.explain(error, "loss_weight")
                        raise
        self.steps.append(step)
        for i, blob in enumerate(layer.blobs):
            self._add_parameter(len(self.steps) - 1, i, blob)

    def _refuse_unshaped(self, reader: Step) -> None:
        """Raise a LayerError of the layer that never gave one of the reader's bottoms a shape."""
        for i, blob in zip(reader.bottom_ids, reader.bottom):
            if blob.shape == () and blob.count == 0:
                maker = next(step for step in reversed(self.steps) if i in step.top_ids)
                top = f"top[{maker.top_ids.index(i)}]"
                raise maker.layer.error(
                    f"{top} {quoted(self.names[i])}, which {title(reader.layer)} reads, has no shape: "
                    f"call {top}.reshape(...) in reshape"
                )

    def _make(self, layer_param: Any) -> Layer:
        kind = layer_param.type
        if not kind:
            raise ValueError(f"{title(layer_param)}: has no type")
        own_kind = engine_type(layer_param)
        if fork_of_type(kind) and own_kind not in LAYERS:
            unknown = [layer for layer in self._wired if engine_type(layer) not in LAYERS]
            raise ValueError(f"unknown layer types of {'; of '.join(types_by_fork(unknown))}")
        cls = LAYERS.get(own_kind, hint=f" (layer {quoted(layer_param.name)})", others=KINDS)
        own = type(layer_param)()  # which a layer may change, as BatchNorm does
        own.CopyFrom(layer_param)
        layer: Layer = cls(own, layer_param.phase)
        layer.fills = self._fill
        return layer

    def _tops(self, layer_param: Any, layer: Layer, bottom_ids: list[int]) -> list[int]:
        ids = []
        for i, name in enumerate(layer_param.top):
            if layer_param.bottom[i : i + 1] == [name]:  # in place
                ids.append(bottom_ids[i])
            else:
                ids.append(self._new_blob(name))
            self._available[name] = ids[-1]
            if layer_param.type == "Input":
                self.inputs.append(ids[-1])
        if layer.auto_tops:
            wanted = layer.tops if isinstance(layer.tops, int) else layer.tops[0]
            ids += [self._new_blob(AUTOMATIC) for _ in range(wanted - len(ids))]
        return ids

    def _new_blob(self, name: str) -> int:
        self.names.append(name)
        self.blobs.append(Blob())
        return len(self.blobs) - 1

    # --- parameters ------------------------------------------------------------------------------

    def _add_parameter(self, step: int, number: int, blob: Blob) -> None:
        specs = self.steps[step].layer.layer_param.param
        spec = specs[number] if number < len(specs) else None
        name = spec.name if spec is not None else ""
        if name in self._named:
            self._share(step, number, blob, spec)
            return
        parameters = self.parameters
        if name:
            self._named[name] = ((step, number), len(parameters.learnable))
        parameters.learnable.append(blob)
        parameters.lr_mults.append(spec.lr_mult if spec is not None else 1.0)
        parameters.decay_mults.append(spec.decay_mult if spec is not None else 1.0)
        self._rates.append((_has(spec, "lr_mult"), _has(spec, "decay_mult")))

    def _share(self, step: int, number: int, blob: Blob, spec: Any) -> None:
        owner, index = self._named[spec.name]
        layer, owning = self.steps[step].layer, self.steps[owner[0]].layer
        original = owning.blobs[owner[1]]
        permissive = spec.share_mode == spec.PERMISSIVE
        fits = blob.count == original.count if permissive else blob.shape == original.shape
        if not fits:
            raise layer.error(
                f"parameter {number} of shape {blob.shape} shares {quoted(spec.name)} with {title(owning)}, where it "
                f"has shape {original.shape}" + ("" if permissive else "; share_mode: PERMISSIVE compares counts only")
            )
        blob.share_data(original)
        blob.share_diff(original)
        self.parameters.owners[step, number] = owner
        had = list(self._rates[index])
        rates = (("lr_mult", self.parameters.lr_mults), ("decay_mult", self.parameters.decay_mults))
        for i, (field_name, values) in enumerate(rates):
            if not spec.HasField(field_name):
                continue
            value = getattr(spec, field_name)
            if had[i] and values[index] != value:
                raise layer.error(
                    f"parameter {quoted(spec.name)} has {field_name} {value:g} here and {values[index]:g} before"
                )
            values[index], had[i] = value, True
        self._rates[index] = (had[0], had[1])

    # --- backward --------------------------------------------------------------------------------

    def _plan_backward(self, layers: list[Any], force: bool) -> None:
        plans = plan_layers(layers, force, [len(step.layer.blobs) for step in self.steps])
        for step, planned, specs in zip(self.steps, plans, (layer.param for layer in layers)):
            step.backward = bool(planned.backward)
            step.propagate_down = [bool(flag) for flag in planned.propagate_down]
            rates = [specs[i].lr_mult if i < len(specs) else 1.0 for i in range(len(step.layer.blobs))]
            step.layer.param_propagate_down = [rate != 0 or force for rate in rates]


def _has(spec: Any, name: str) -> bool:
    return spec is not None and spec.HasField(name)


def _check_counts(layer: Layer, bottoms: int, tops: int) -> None:
    for count, got, what in ((layer.bottoms, bottoms, "bottom"), (layer.tops, tops, "top")):
        low, high = (count, count) if isinstance(count, int) else count
        if got < low or (high is not None and got > high):
            raise layer.error(f"takes {_number(count)} {what}s, got {got}")
    if layer.equal_counts and bottoms != tops:
        raise layer.error(f"takes as many tops as bottoms, got {bottoms} bottoms and {tops} tops")


def _number(count: Count) -> str:
    if isinstance(count, int):
        return str(count)
    return f"{count[0]} or more" if count[1] is None else f"{count[0]} to {count[1]}"

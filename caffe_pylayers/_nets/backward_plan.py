"""Which layers Caffe asks for ``backward``, what ``propagate_down`` tells them, and why.

The analysis of Net::Init, on the messages alone, whichever caffe's they are. It goes forward
through the layers for what learns, and backward for what a loss depends on.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

from caffe_pylayers._layer.quote import plain, quoted
from caffe_pylayers._nets.forks.names import LOSSES
from caffe_pylayers._nets.include_rules import State, included_layers, rule_faults
from caffe_pylayers._nets.learned_blobs import lr_mults
from caffe_pylayers._nets.splits import insert_splits
from caffe_pylayers._nets.titles import title


@dataclass(frozen=True)
class Flag:
    """A decision and its reason, ``True: ip2 <- InnerProduct ip2 learns (lr_mult 1, 2)``."""

    value: bool
    why: str

    def __bool__(self) -> bool:
        return self.value

    def __str__(self) -> str:
        return f"{self.value}: {self.why}"


@dataclass
class LayerPlan:
    """One layer of the net that runs, automatic Splits among them.

    layer: its LayerParameter, with the bottoms it really reads.
    bottoms: the names of its bottoms in the prototxt, where a Split stands before them.
    backward: true if its backward is called.
    propagate_down: for each bottom, true if that backward is to compute its gradient.
    """

    layer: Any
    bottoms: list[str]
    backward: Flag
    propagate_down: list[Flag]


def backward_plan(net: Any, state: State) -> list[LayerPlan]:
    """Return the plan of each layer of a NetParameter in one state, in order.

    A Python layer is taken to have as many learned blobs as ``param`` blocks: only its setup knows better.
    Raises ValueError for a net that Caffe refuses because of how its layers connect.
    """
    return plan_layers(wired_layers(net, state), net.force_backward)


def wired_layers(net: Any, state: State) -> list[Any]:
    """Return copies of the layers of a NetParameter in one state, automatic Splits among them.

    Raises ValueError for layers that do not connect.
    """
    layers = insert_splits(included_layers(net, state))
    for fault in _faults(layers):
        raise ValueError(fault)
    return layers


def wiring_faults(net: Any, state: State) -> list[str]:
    """Return each reason why Caffe refuses to connect the layers of a NetParameter, but what follows from another."""
    faults = rule_faults(net)
    if faults:  # nobody knows which layers there are
        return faults
    layers = insert_splits(included_layers(net, state))
    return [*_faults(layers), *filter(None, map(_rate_fault, layers))]


def plan_layers(layers: list[Any], force: bool, learned: Sequence[int | None] | None = None) -> list[LayerPlan]:
    """Return the plan of each of ``wired_layers``.

    force: the net's force_backward.
    learned: how many learned blobs each layer has, None where only its LayerParameter tells.
    Raises ValueError for more ``param`` blocks than blobs.
    """
    plans = _what_learns(layers, learned or [None] * len(layers))
    _what_a_loss_depends_on(plans)
    if force:
        _force(plans)
    return plans


def _what_learns(layers: list[Any], learned: Sequence[int | None]) -> list[LayerPlan]:
    plans = []
    why: dict[str, str] = {}  # by blob: the way back to the nearest layer that learns
    shown: dict[str, str] = {}  # by blob: its name in the prototxt
    for layer, blobs in zip(layers, learned):
        own = _learns(layer, blobs)
        passed = next((why[blob] for blob in layer.bottom if blob in why), "")
        plans.append(
            LayerPlan(
                layer,
                bottoms=[shown[blob] for blob in layer.bottom],
                backward=Flag(bool(own or passed), own or passed or "nothing in it or before it learns"),
                propagate_down=[_told(layer, i, why.get(blob, "")) for i, blob in enumerate(layer.bottom)],
            )
        )
        split = layer.type == "Split" and layer.bottom
        for blob in layer.top:
            shown[blob] = shown[layer.bottom[0]] if split else blob
            if own or passed:
                way = own or (passed if blob == layer.name else f"{plain(layer.name)} <- {passed}")
                why[blob] = passed if split else f"{plain(blob)} <- {way}"
    return plans


def _faults(layers: list[Any]) -> Iterator[str]:
    """Yield the faults in how layers connect, in order; a faulty layer is taken to make its tops all the same."""
    made: set[str] = set()
    shown: set[str] = set()  # those of them that the prototxt names
    for layer in layers:
        for blob in layer.bottom:
            if blob not in made:
                yield f"{title(layer)}: no layer before it makes its bottom {quoted(blob)}{_meant(blob, shown)}"
        yield from (f"{title(layer)}: {fault}" for fault in _faults_of(layer, made))
        made.update(layer.top)
        shown.update(layer.top if layer.type != "Split" else ())


def _meant(blob: str, known: set[str]) -> str:
    close = difflib.get_close_matches(blob, sorted(known), n=1)
    return f"; did you mean {quoted(close[0])}?" if close else ""


def _faults_of(layer: Any, made: set[str]) -> Iterator[str]:
    for i, top in enumerate(layer.top):
        if top in made and layer.bottom[i : i + 1] != [top]:
            yield (
                f"its top {quoted(top)} is an earlier layer's; "
                f"to work in place it must be the only layer that reads {quoted(top)}"
            )
    if layer.propagate_down and len(layer.propagate_down) != len(layer.bottom):
        yield f"{len(layer.propagate_down)} propagate_down for {len(layer.bottom)} bottoms"
    tops, weights = _tops(layer), loss_weights(layer)
    if weights and len(weights) != len(tops):
        yield f"{len(layer.loss_weight)} loss_weight for {len(tops)} tops"


def _rate_fault(layer: Any) -> str:
    """Say why the ``param`` blocks of a layer cannot be those of its blobs; "" where they can."""
    try:
        lr_mults(layer)
    except ValueError as error:
        return str(error)
    return ""


def _learns(layer: Any, learned: int | None) -> str:
    """Say which parameters of a layer learn; "" where none does."""
    rates = lr_mults(layer, learned)
    if not any(rates):
        return ""
    if layer.type == "BatchNorm":  # its blobs never learn, but Caffe looks at what the prototxt says
        return f"BatchNorm {plain(layer.name)} counts as learning (it lacks param {{ lr_mult: 0 }} three times)"
    return f"{layer.type} {plain(layer.name)} learns (lr_mult {', '.join(f'{rate:g}' for rate in rates)})"


def _told(layer: Any, i: int, why: str) -> Flag:
    if not layer.propagate_down:
        return Flag(bool(why), why or "nothing before it learns")
    said = bool(layer.propagate_down[i])
    return Flag(said, f"propagate_down: {str(said).lower()} says so")


def _what_a_loss_depends_on(plans: list[LayerPlan]) -> None:
    under_loss: set[str] = set()
    stopped: dict[str, str] = {}  # by blob: why its reader sends no gradient back to it
    for plan in reversed(plans):
        layer = plan.layer
        tops = _tops(layer)
        if any(loss_weights(layer)) or under_loss.intersection(tops):
            under_loss.update(layer.bottom)
            if plan.backward and stopped.keys() >= set(tops):
                _stop(plan, _why_stopped(layer.name, tops, under_loss, stopped))
        else:
            _stop(plan, "no loss depends on it")
        for blob, flag in zip(layer.bottom, plan.propagate_down):
            if not flag:
                stopped[blob] = f"{flag.why} in {plain(layer.name)}" if plan.backward else flag.why


def _why_stopped(name: str, tops: list[str], under_loss: set[str], stopped: Mapping[str, str]) -> str:
    for top in tops:
        if top in under_loss:
            return stopped[top]
    # A loss whose top is read on, by a Silence say: Caffe takes this for the end of the gradient.
    return f"the top {quoted(tops[0])} of {plain(name)} is read by a layer that no loss depends on"


def _stop(plan: LayerPlan, why: str) -> None:
    if plan.backward:
        plan.backward = Flag(False, why)
    plan.propagate_down = [Flag(False, why) if flag else flag for flag in plan.propagate_down]


def _force(plans: list[LayerPlan]) -> None:
    for plan in plans:
        if not plan.backward:
            plan.backward = Flag(True, "force_backward")
        for i, flag in enumerate(plan.propagate_down):
            if not flag:
                allowed = _allows_force(plan.layer.type, i)
                why = "force_backward" if allowed else f"{flag.why}, and {plan.layer.type} refuses force_backward here"
                plan.propagate_down[i] = Flag(allowed, why)


# What the layer types themselves decide.


def _tops(layer: Any) -> list[str]:
    """Return the names of the tops; Caffe gives a loss layer without any one that has no reader."""
    return list(layer.top) or (["(automatic)"] if _is_loss(layer.type) else [])


def loss_weights(layer: Any) -> list[float]:
    """Return the loss weight of each top: as given, or 1 for a loss layer; empty where there is none."""
    if layer.loss_weight or not _is_loss(layer.type):
        return list(layer.loss_weight)
    return [1.0]


def _is_loss(kind: str) -> bool:
    return kind.endswith("Loss") or kind in LOSSES


def _allows_force(kind: str, bottom: int) -> bool:
    """Return False for the bottoms that force_backward spares: labels, and the marks of where sequences begin."""
    refused = {"EuclideanLoss": -1, "ContrastiveLoss": 2, "LSTM": 1, "RNN": 1, "LSTMUnit": 2}
    return bottom != refused.get(kind, 1 if _is_loss(kind) else -1)

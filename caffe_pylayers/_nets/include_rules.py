"""Which layers of a NetParameter a net has: Caffe's include and exclude rules.

Works on the messages alone, whichever caffe's they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection


@dataclass(frozen=True)
class State:
    """What a net is built for, Caffe's NetState; the stages come on top of those in the net itself."""

    phase: int
    level: int = 0
    stages: Collection[str] = ()


def included_layers(net: Any, state: State) -> list[Any]:
    """The layers of a NetParameter in one state, an old ``input:`` field as the Input layer it stands for.

    Raises ValueError for a layer with both include and exclude rules.
    """
    stages = {*net.state.stage, *state.stages}
    return _inputs(net) + [layer for layer in net.layer if _included(layer, state, stages)]


def title(layer: Any) -> str:
    """How messages name a layer: ``layer "loss" (Python)``."""
    return f'layer "{layer.name}" ({layer.type})'


def stages_named(net: Any) -> set[str]:
    """The stages that the rules in a net speak of."""
    rules = [rule for layer in net.layer for rule in (*layer.include, *layer.exclude)]
    return {stage for rule in rules for stage in (*rule.stage, *rule.not_stage)}


def _included(layer: Any, state: State, stages: set[str]) -> bool:
    if layer.include and layer.exclude:
        raise ValueError(f"{title(layer)}: both include and exclude; Caffe takes one of them")
    if layer.include:
        return any(_meets(rule, state, stages) for rule in layer.include)
    return not any(_meets(rule, state, stages) for rule in layer.exclude)


def _meets(rule: Any, state: State, stages: set[str]) -> bool:
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


def _inputs(net: Any) -> list[Any]:
    # Inputs without shapes are what old caffemodels carry; Caffe drops them.
    if not net.input or not (net.input_shape or net.input_dim):
        return []
    return [type(net)().layer.add(name="input", type="Input", top=net.input)]

"""Which layers of a NetParameter a net has: Caffe's include and exclude rules.

Works on the messages alone, whichever caffe's they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection

from caffe_pylayers._nets.titles import title


@dataclass(frozen=True)
class State:
    """The phase, level and stages that a net is built for: Caffe's NetState.

    The stages come on top of those in the net itself.
    """

    phase: int
    level: int = 0
    stages: Collection[str] = ()


def included_layers(net: Any, state: State) -> list[Any]:
    """Return the layers that a NetParameter of the current format has in one state.

    Raises ValueError for a layer with both include and exclude rules.
    """
    faults = rule_faults(net)
    if faults:
        raise ValueError(faults[0])
    stages = {*net.state.stage, *state.stages}
    return [layer for layer in net.layer if _included(layer, state, stages)]


def rule_faults(net: Any) -> list[str]:
    """Return a message for each layer with both include and exclude rules."""
    both = [layer for layer in net.layer if layer.include and layer.exclude]
    return [f"{title(layer)}: both include and exclude; Caffe takes one of them" for layer in both]


def stages_named(net: Any) -> set[str]:
    """Return the stages that the include and exclude rules in a net name."""
    rules = [rule for layer in net.layer for rule in (*layer.include, *layer.exclude)]
    return {stage for rule in rules for stage in (*rule.stage, *rule.not_stage)}


def _included(layer: Any, state: State, stages: set[str]) -> bool:
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

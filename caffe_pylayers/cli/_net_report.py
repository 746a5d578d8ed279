"""The report of ``check`` on a net: problems, warnings, and the backward plan of each phase."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from caffe_pylayers._layer.phases import PHASES
from caffe_pylayers._nets import check
from caffe_pylayers._nets.backward_plan import LayerPlan, backward_plan
from caffe_pylayers._nets.include_rules import State, stages_named
from caffe_pylayers.cli._report import Report


def check_net(
    report: Report, net: Any, path: str, phases: Sequence[str], level: int, stages: Sequence[str], every_layer: bool
) -> None:
    """Report on a NetParameter in the named phases; ``every_layer``: the plan not of Python layers only."""
    report.line(f"{path}: {net.name or 'a net without a name'}")
    states = {phase: State(PHASES[phase], level, stages) for phase in phases}
    _tell(report.problem, states, lambda state: check.wiring_problems(net, state))
    stages_left = sorted(stages_named(net) - {*stages})
    if report.problems and stages_left:
        report.line(f"  the net has layers for stages not given with --stage: {', '.join(stages_left)}")
    _tell(report.problem, states, lambda state: check.unknown_types(net, state))
    _tell(report.problem, states, lambda state: check.python_layer_problems(net, state, path))
    _tell(report.warning, states, lambda state: check.missing_sources(net, state))
    built = {phase: state for phase, state in states.items() if not _unbuildable(net, state)}
    _tell(report.warning, built, lambda state: check.losses_without_effect(net, state))
    for phase, state in built.items():
        _print_plan(report, phase, backward_plan(net, state), every_layer)
    report.line()


def _unbuildable(net: Any, state: State) -> list[str]:
    """What leaves a net without a plan; whether a layer of an unknown type learns is unknown."""
    return check.wiring_problems(net, state) + check.unknown_types(net, state)


def _tell(tell: Callable[[str, str], None], states: dict[str, State], check: Callable[[State], list[str]]) -> None:
    """Report each message of a check once, with the phases it holds in."""
    found: dict[str, list[str]] = {}
    for phase, state in states.items():
        for message in check(state):
            found.setdefault(message, []).append(phase)
    for message, phases in found.items():
        tell(message, f" ({', '.join(phases)})")


def _print_plan(report: Report, phase: str, plans: list[LayerPlan], every_layer: bool) -> None:
    own = [plan for plan in plans if plan.layer.type != "Split"]
    called = sum(bool(plan.backward) for plan in own)
    report.line(f"\n{phase}: {len(own)} layers; a backward pass calls {called} of them")
    for plan in own:
        if every_layer or plan.layer.type == "Python":
            _print_layer(report, plan)


def _print_layer(report: Report, plan: LayerPlan) -> None:
    layer = plan.layer
    what = f"{layer.python_param.module}.{layer.python_param.layer}" if layer.type == "Python" else layer.type
    verb = "is called" if plan.backward else "is not called"
    report.line(f"  {layer.name} ({what})")
    report.line(f"    backward {verb}: {plan.backward.why}")
    width = max((len(blob) for blob in plan.bottoms), default=0)
    for i, (blob, flag) in enumerate(zip(plan.bottoms, plan.propagate_down)):
        report.line(f"    propagate_down[{i}] {blob:<{width}} {flag}")

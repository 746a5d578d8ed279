"""The report of ``check`` on a net: problems, warnings, and the backward plan of each phase."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from caffe_pylayers._layer.phases import PHASES
from caffe_pylayers._nets import check
from caffe_pylayers._nets.backward_plan import LayerPlan, backward_plan, wiring_faults
from caffe_pylayers._nets.forks.table import in_python
from caffe_pylayers._nets.include_rules import State, rule_faults, stages_named
from caffe_pylayers.cli._report import Report
from caffe_pylayers.cli._trial import trial

_LISTED = 6


def check_net(
    report: Report, net: Any, path: str, phases: Sequence[str], level: int, stages: Sequence[str], every_layer: bool
) -> None:
    """Report on a NetParameter in the named phases; ``every_layer``: the plan not of Python layers only."""
    report.line(f"{path}: {net.name or 'a net without a name'}")
    states = {phase: State(PHASES[phase], level, stages) for phase in phases}
    if not net.layer and not net.input:
        report.problem("no net: it has no layers")
    wiring = _each(states, lambda state: wiring_faults(net, state))
    types = _each(states, lambda state: check.unknown_types(net, state))
    python = _each(states, lambda state: check.python_layer_problems(net, state, path))
    missing = _each(states, lambda state: check.missing_sources(net, state))
    wrong = _each(states, lambda state: check.wrong_sources(net, state))
    _tell(report.problem, wiring)
    stages_left = sorted(stages_named(net) - {*stages})
    if report.problems and stages_left:
        report.line(f"  the net has layers for stages not given with --stage: {', '.join(stages_left)}")
    _tell(report.problem, types)
    _tell(report.problem, python)
    _tell(report.problem, wrong)
    _tell(report.warning, missing)
    trials = {
        phase: trial(net, state, [*wiring[phase], *types[phase], *python[phase], *missing[phase], *wrong[phase]])
        for phase, state in states.items()
        if not rule_faults(net)  # else nobody knows which layers there are
    }
    _tell(report.problem, {phase: found.problems for phase, found in trials.items()})
    _tell(report.warning, {phase: found.warnings for phase, found in trials.items()})
    _tell(_print_untried(report), {phase: [_listed(found.untried)] for phase, found in trials.items() if found.untried})
    # Whether a layer of an unknown type learns is unknown.
    planned = {phase: state for phase, state in states.items() if not wiring[phase] and not types[phase]}
    _tell(report.warning, _each(planned, lambda state: check.losses_without_effect(net, state)))
    for phase, state in planned.items():
        _print_plan(report, phase, backward_plan(net, state), every_layer)
    report.line()


def _print_untried(report: Report) -> Callable[[str, str], None]:
    return lambda names, where: report.line(f"  not tried{where}, as they depend on layers named above: {names}")


def _listed(names: list[str]) -> str:
    more = f", ... ({len(names)} layers)" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"


def _each(states: dict[str, State], check: Callable[[State], list[str]]) -> dict[str, list[str]]:
    return {phase: check(state) for phase, state in states.items()}


def _tell(tell: Callable[[str, str], None], messages: dict[str, list[str]]) -> None:
    """Report each message once, with the phases it holds in."""
    found: dict[str, list[str]] = {}
    for phase, those in messages.items():
        for message in those:
            found.setdefault(message, []).append(phase)
    for message, phases in found.items():
        tell(message, f" ({', '.join(phases)})")


def _print_plan(report: Report, phase: str, plans: list[LayerPlan], every_layer: bool) -> None:
    own = [plan for plan in plans if plan.layer.type != "Split"]
    called = sum(bool(plan.backward) for plan in own)
    report.line(f"\n{phase}: {len(own)} layers; a backward pass calls {called} of them")
    for plan in own:
        if every_layer or in_python(plan.layer):
            _print_layer(report, plan)


def _print_layer(report: Report, plan: LayerPlan) -> None:
    layer = plan.layer
    what = f"{layer.python_param.module}.{layer.python_param.layer}" if in_python(layer) else layer.type
    verb = "is called" if plan.backward else "is not called"
    report.line(f"  {layer.name} ({what})")
    report.line(f"    backward {verb}: {plan.backward.why}")
    width = max((len(blob) for blob in plan.bottoms), default=0)
    for i, (blob, flag) in enumerate(zip(plan.bottoms, plan.propagate_down)):
        report.line(f"    propagate_down[{i}] {blob:<{width}} {flag}")

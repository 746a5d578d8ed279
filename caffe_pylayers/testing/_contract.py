"""The contract of a Python layer: everything that Caffe expects of it, as checks."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any, Sequence

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers._layer.methods import layer_bases, missing_methods
from caffe_pylayers.testing._case import Case
from caffe_pylayers.testing._diagnosis import explain_exception, places
from caffe_pylayers.testing._gradient import GradientError, GradientOptions, gradient_problems
from caffe_pylayers.testing._net import layer_net
from caffe_pylayers.testing._stub import LayerRun

_MARK = 12345.5  # what no layer writes by chance


def check_layer(
    layer_class: type | Case,
    bottoms: Sequence[Any] = (),
    *,
    wrt: Sequence[int] | None = None,
    learned: Sequence[int] | None = None,
    exhaustive: bool = False,
    kink: float = 0.0,
    kink_range: float = 0.0,
    step: float = 1e-5,
    gradient_rtol: float = 1e-5,
    gradient_atol: float = 1e-7,
    seed: int = 1701,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    other_bottoms: Sequence[Any] | None = None,
    repeatable: bool = True,
    **case: Any,
) -> None:
    """Raise AssertionError, with all that was found, unless the layer keeps Caffe's contract.

    - it has the four methods, and is made and called as on real Caffe: where pycaffe is stricter
      than Python (blob.shape is no tuple, bottom cannot be iterated), so is this;
    - forward writes every value of its tops, the same ones when called again;
    - forward and backward leave the bottoms' data as they were;
    - backward writes every value of the diffs asked for, and leaves the others alone;
    - backward adds to the diffs of the layer's learned blobs;
    - backward gives forward's gradient, see check_gradient; GradientError where it does not;
    - the layer takes another batch size between two iterations;
    - a class that says in_place gives the same numbers with top[0] as its bottom[0], and where a
      layer above it works in place on its top;
    - in a net of the engine that is there, float32, it gives the same numbers within rtol, atol;
      skipped only where there is neither a caffe nor the runtime, and for bottoms without values.

    layer_class, bottoms, and by name param_str, tops, phase, dtype: see Case; or a Case alone.
    wrt, learned, exhaustive, kink, kink_range, step, seed: see check_gradient, whose rtol and atol are
        gradient_rtol and gradient_atol here.
    other_bottoms: of other shapes, for a second iteration; default: the bottoms with their first
        row once more; () for a layer that takes one size only.
    repeatable: False for a layer that is random or goes on in its data: its outputs are not
        compared, nor is its gradient.
    """
    made = Case.of(layer_class, bottoms, case)
    options = GradientOptions(wrt, exhaustive, kink, kink_range, step, gradient_rtol, gradient_atol, seed, learned)
    wrong_gradients: list[str] = []
    found = _problems_of_start(made)
    try:
        if not found:
            found = _problems_of_forward(made, repeatable)
            forward_is_right = not found
            found += _problems_of_backward(made, seed)
            if forward_is_right:  # what else is wrong would follow from it
                if repeatable:
                    wrong_gradients = _new(gradient_problems(made, options, before=0), found)
                found += _problems_of_batch_size(made, other_bottoms, seed, repeatable)
                if getattr(made.layer_class, "in_place", False):
                    found += _problems_in_place(made, seed, repeatable)
    except Exception as error:
        if not hasattr(error, "_raised_in"):
            raise
        found.append(explain_exception(error))
    in_memory = all(np.size(x) for x in made.bottoms)  # real Caffe ends where data of no values is touched
    if not found and not wrong_gradients and in_memory and _engine.available():
        found = _problems_in_net(made, seed, rtol, atol, repeatable)
    found = wrong_gradients + found
    if found:
        raise (GradientError if wrong_gradients else AssertionError)(_report(made.name, found))


def _report(name: str, found: list[str]) -> str:
    if len(found) == 1:
        return f"{name}: {found[0]}"
    return f"{name}: {len(found)} problems\n" + "\n".join(f"- {problem}" for problem in found)


def _new(problems: list[str], found: list[str]) -> list[str]:
    """Return the gradients' problems without those of NaN, where the NaN was found before."""
    nan = any("gives NaN" in text for text in found)
    return [problem for problem in problems if not (nan and "backward gives NaN" in problem)]


def _problems_of_start(case: Case) -> list[str]:
    missing = missing_methods(case.layer_class)
    if missing:
        return [f"{name} is not defined" + (f"; {hint}" if hint else "") for name, hint in missing.items()]
    try:
        run = LayerRun(case)
        unshaped = [i for i, blob in enumerate(run.top) if not blob.shaped]
        if unshaped:
            return [f"top[{i}] was never reshaped: reshape must give every top its shape" for i in unshaped]
        run.forward()
    except Exception as error:
        if not hasattr(error, "_raised_in"):
            raise
        return [explain_exception(error)]
    return []


def _problems_of_forward(case: Case, repeatable: bool) -> list[str]:
    run = LayerRun(case)
    given = [blob.data.copy() for blob in run.bottom]
    first = [data.copy() for data in run.forward()]
    found = _modified(run, given, "forward")
    second = [data.copy() for data in run.forward(before=_MARK)]
    for i, (one, two) in enumerate(zip(first, second)):
        if one.shape != two.shape:
            if repeatable:
                found.append(f"a second forward gives another shape of top[{i}]: {one.shape}, then {two.shape}")
            continue
        nan, unwritten = np.isnan(one) & np.isnan(two), np.isnan(one) & (two == _MARK)
        added = np.isnan(one) & ~np.isnan(two) & ~unwritten
        if unwritten.any():
            found.append(f"forward leaves values of top[{i}] unwritten: {places(unwritten)}")
        if added.any():
            found.append(f"forward reads top[{i}] before it writes it, as += does: {places(added)}")
        if nan.any():
            found.append(f"forward gives NaN in top[{i}]: {places(nan)}")
        if repeatable and not np.array_equal(one[~np.isnan(one)], two[~np.isnan(one)]):
            meant = "repeatable=False where that is meant, in the shell --random"
            found.append(f"a second forward gives another top[{i}]; {meant}")
    return found


def _modified(run: LayerRun, given: Sequence[Any], method: str) -> list[str]:
    """Return a message for each bottom that the method changed, and give it back what was given."""
    found = []
    for i, (blob, data) in enumerate(zip(run.bottom, given)):
        if blob.data.shape != data.shape or not np.array_equal(blob.data, data, equal_nan=True):
            found.append(f"{method} changes bottom[{i}].data, which other layers read")
            blob.reshape(*data.shape)
            blob.data[...] = data
    return found


def _problems_of_backward(case: Case, seed: int) -> list[str]:
    run = LayerRun(case)
    given = [blob.data.copy() for blob in run.bottom]
    diffs = [np.random.RandomState(seed).standard_normal(np.shape(top)) for top in run.forward()]
    _modified(run, given, "forward")
    for blob in run.layer.blobs:
        blob.diff[...] = 0
    zero = [diff.copy() for diff in run.backward(diffs, before=0)]
    learned = [blob.diff.copy() for blob in run.layer.blobs]
    found = _modified(run, given, "backward")
    one = [diff.copy() for diff in run.backward(diffs, before=1)]
    for i in range(len(run.bottom)):
        found += _problems_of_diff(i, zero[i], one[i])
    _modified(run, given, "backward")
    found += _problems_of_propagate_down(run, given, diffs, zero)
    times = 3 + len(run.bottom)  # backward has been called so often
    for i, blob in enumerate(run.layer.blobs):
        if np.allclose(blob.diff, times * learned[i], rtol=1e-5):
            continue
        if np.allclose(blob.diff, learned[i], rtol=1e-5):
            found.append(f"backward must add to blobs[{i}].diff, not replace it")
        else:
            found.append(f"backward does not add the same to blobs[{i}].diff whatever propagate_down is")
    return found


def _problems_of_diff(i: int, zero: Any, one: Any) -> list[str]:
    """Return what backward does wrong to bottom[i].diff, from what became of zeros and of ones there."""
    nan = np.isnan(zero)
    stays = np.isclose(one - zero, 1) & ~nan
    unwritten, differs = stays & (zero == 0), ~np.isclose(one, zero) & ~nan & ~stays
    if (stays & (zero != 0)).any():
        return [
            f"backward adds to bottom[{i}].diff, which Caffe does not clear: write bottom[{i}].diff[...] = ..., no +="
        ]
    if unwritten.any():
        hint = ": write zeros where there is no gradient" if unwritten.all() else f": {places(unwritten)}"
        return [f"backward leaves values of bottom[{i}].diff stale, though propagate_down[{i}] is True{hint}"]
    if differs.any():
        return [f"backward reads bottom[{i}].diff, which holds anything: {places(differs)}"]
    return [f"backward gives NaN in bottom[{i}].diff: {places(nan)}"] if nan.any() else []


def _problems_of_propagate_down(
    run: LayerRun, given: Sequence[Any], diffs: Sequence[Any], everything: Sequence[Any]
) -> list[str]:
    found: dict[int, str] = {}
    for asked in range(-1, len(run.bottom)):  # -1: a layer that only learns is asked for none
        down = [i == asked for i in range(len(run.bottom))]
        for i, diff in enumerate(run.backward(diffs, down, before=_MARK)):
            if i != asked:
                if not (diff == _MARK).all():
                    found.setdefault(i, f"backward writes bottom[{i}].diff though propagate_down is {down}")
                continue
            stale = np.isclose(diff - everything[i], _MARK)  # unwritten or added to, which was told before
            if not np.allclose(np.where(stale, everything[i], diff), everything[i], equal_nan=True):
                found.setdefault(i, f"propagate_down {down} changes bottom[{i}].diff")
        _modified(run, given, "backward")
    return list(found.values())


def _problems_of_batch_size(case: Case, other: Sequence[Any] | None, seed: int, repeatable: bool) -> list[str]:
    if other is None:
        other = _with_a_row_more(case.bottoms)
    if len(other) == 0:
        return []
    shapes = " and ".join(str(np.shape(x)) for x in other)
    try:
        fresh = LayerRun(replace(case, bottoms=other))
        fresh.forward()
    except Exception as error:
        return [
            f"with bottoms of {shapes}: {explain_exception(error)}; where the layer is right to refuse them, "
            "give others as other_bottoms, or ()"
        ]
    run = LayerRun(case)
    run.forward()
    for blob, data in zip(run.bottom, other):
        blob.reshape(*np.shape(data))
        blob.data[...] = data
    change = f"when the bottoms become {shapes} between two iterations"
    try:
        run.forward()
    except Exception as error:
        return [f"{explain_exception(error)}: {change}; reshape must follow them"]
    return _problems_after(run, fresh, change, seed, repeatable)


def _with_a_row_more(bottoms: Sequence[Any]) -> list[Any]:
    """Return the bottoms with their first row once more, but those of another batch size as they are."""
    arrays = [np.asarray(x) for x in bottoms]
    batch = arrays[0].shape[:1] if arrays else ()
    return [np.concatenate([x, x[:1]]) if batch and x.shape[:1] == batch else x for x in arrays]


def _problems_after(run: LayerRun, fresh: LayerRun, change: str, seed: int, repeatable: bool) -> list[str]:
    """Return where a layer whose bottoms changed differs from one that had them from the start."""
    for i, (one, two) in enumerate(zip(run.top, fresh.top)):
        if one.shape != two.shape:
            return [f"top[{i}] is {one.shape} instead of {two.shape} {change}: reshape must follow them"]
        if repeatable and not np.array_equal(one.data, two.data):
            return [f"top[{i}] is wrong {change}"]
    diffs = [np.random.RandomState(seed).standard_normal(top.shape) for top in fresh.top]
    for i, (one, two) in enumerate(zip(run.backward(diffs, before=0), fresh.backward(diffs, before=0))):
        if repeatable and not np.array_equal(one, two, equal_nan=True):
            return [f"bottom[{i}].diff is wrong {change}"]
    return []


def _problems_in_place(case: Case, seed: int, repeatable: bool) -> list[str]:
    alone = _seeded(case, seed)
    if not alone.top or alone.top[0].shape != alone.bottom[0].shape:
        return []
    found = []
    tops = [data.copy() for data in alone.forward()]
    if not repeatable and not all(map(np.array_equal, _seeded(case, seed).forward(), tops)):
        return []
    diffs = [np.random.RandomState(seed).standard_normal(top.shape) for top in tops]
    wanted = _gradients(alone, diffs)
    for where, in_place in (("in place", True), ("below a layer that works in place", False)):
        run = _seeded(case, seed, in_place)
        if not all(map(np.allclose, run.forward(), tops)):
            found.append(f"forward gives other tops {where}")
        run.top[0].data[...] = _MARK
        if not all(map(np.allclose, _gradients(run, diffs), wanted)):
            found.append(f"backward gives other gradients {where}")
    return found


def _seeded(case: Case, seed: int, in_place: bool = False) -> LayerRun:
    """Return a run of a layer that has drawn its seed, if any, from numpy's generator in a state of its own."""
    state = np.random.get_state()
    np.random.seed(seed)
    run = LayerRun(case, in_place=in_place)
    np.random.set_state(state)
    return run


def _gradients(run: LayerRun, diffs: Sequence[Any]) -> list[Any]:
    for blob in run.layer.blobs:
        blob.diff[...] = 0
    return [diff.copy() for diff in (*run.backward(diffs, before=0), *(blob.diff for blob in run.layer.blobs))]


def _problems_in_net(case: Case, seed: int, rtol: float, atol: float, repeatable: bool) -> list[str]:
    cls = case.layer_class
    _engine.caffe()
    if not issubclass(cls, layer_bases()):
        return ["does not derive from caffe.Layer, nor from caffe_pylayers.Layer, so no net can have it"]
    if getattr(sys.modules.get(cls.__module__), cls.__name__, None) is not cls:
        return [f"is no class at the top of the module {cls.__module__}, where a net looks for it"]
    run = LayerRun(case)
    net = layer_net(
        cls, [np.shape(x) for x in case.bottoms], param_str=case.param_str, tops=case.tops, phase=case.phase
    )
    for i, blob in enumerate(run.bottom):
        net.blobs[f"bottom{i}"].data[...] = blob.data
    learned = list(zip(run.layer.blobs, net.params.get("layer", ())))
    for ours, theirs in learned:
        ours.data[...], ours.diff[...] = theirs.data, 0
    net.forward()
    pairs, diffs = [], []
    for i, data in enumerate(run.forward()):
        top = net.blobs[f"top{i}"]
        pairs.append((f"top[{i}]", top.data.copy(), data.copy()))
        diffs.append(np.random.RandomState(seed + i).standard_normal(data.shape).astype(np.float32))
        if top.data.shape == data.shape:
            top.diff[...] = diffs[-1]
    net.backward()
    for i, diff in enumerate(run.backward(diffs, before=0)):
        pairs.append((f"bottom[{i}].diff", net.blobs[f"bottom{i}"].diff, diff))
    pairs += [(f"blobs[{i}].diff", theirs.diff, ours.diff) for i, (ours, theirs) in enumerate(learned)]
    return [text for text in (_difference(*pair, rtol, atol) for pair in pairs) if text] if repeatable else []


def _difference(name: str, net: Any, ours: Any, rtol: float, atol: float) -> str:
    if net.shape != ours.shape:
        return f"{name} has shape {net.shape} in a net, and {ours.shape} without one"
    wrong = ~np.isclose(net, ours, rtol, atol, equal_nan=True)
    if not wrong.any():
        return ""
    first = tuple(np.argwhere(wrong)[0])
    return (
        f"{name} differs between a net and {ours.dtype}: {places(wrong)}, {net[first]:.9g} and {ours[first]:.9g} "
        f"(rtol {rtol:g}, atol {atol:g})"
    )

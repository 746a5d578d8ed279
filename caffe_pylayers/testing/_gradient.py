"""Gradients from backward against differences of forward."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any, Iterator, Sequence

import numpy as np

from caffe_pylayers.testing._blobs import Blob
from caffe_pylayers.testing._case import Case
from caffe_pylayers.testing._diagnosis import constant_ratio, explain_ratio, places
from caffe_pylayers.testing._stub import LayerRun


class GradientError(AssertionError):
    """backward and forward disagree; the message has both numbers, where, and what it may come from."""


@dataclass(frozen=True)
class GradientOptions:
    """The options of a gradient check; the fields are check_gradient's arguments."""

    wrt: Sequence[int] | None = None
    exhaustive: bool = False
    kink: float = 0.0
    kink_range: float = 0.0
    step: float = 1e-5
    rtol: float = 1e-5
    atol: float = 1e-7
    seed: int = 1701
    learned: Sequence[int] | None = None

    def in_float32(self) -> GradientOptions:
        """Return the options for a function that is known to some seven digits only."""
        return replace(self, step=max(self.step, 1e-2), rtol=max(self.rtol, 1e-2), atol=max(self.atol, 1e-3))


def check_gradient(
    layer_class: type | Case,
    bottoms: Sequence[Any] = (),
    *,
    wrt: Sequence[int] | None = None,
    exhaustive: bool = False,
    kink: float = 0.0,
    kink_range: float = 0.0,
    step: float = 1e-5,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 1701,
    learned: Sequence[int] | None = None,
    **case: Any,
) -> None:
    """Raise GradientError unless backward gives the gradient of forward.

    The function is sum(v * top) with random top diffs v: a loss that ignores its loss weight
    fails. Checked are the bottoms and the layer's learned blobs, along one random direction
    each, so that the cost does not depend on the size; or value by value. A layer that computes
    in float32 itself, whatever its blobs hold, is compared at float32's accuracy, with a warning.

    layer_class, bottoms, and by name param_str, tops, phase, dtype: see Case; or a Case alone.
        With dtype=float32, take step=1e-2, rtol=1e-2, atol=1e-3.
    wrt: indices of the bottoms to check; default: all that hold no integers. Where that leaves
        none, it is an error, unless wrt=[] says that no bottom can get a gradient.
    exhaustive: every value instead of one direction: for small blobs.
    kink, kink_range: values x with abs(abs(x) - kink) <= kink_range stay fixed, as in Caffe's
        checker: the function has a corner there.
    step: of the central difference.
    rtol, atol: how far the two may be apart: atol + rtol * the larger one.
    seed: of the top diffs and directions.
    learned: indices of the learned blobs to check; default: all; [] where their diffs are no gradients but what
        else moves them, such as the centres of a centre loss.
    """
    made = Case.of(layer_class, bottoms, case)
    options = GradientOptions(wrt, exhaustive, kink, kink_range, step, rtol, atol, seed, learned)
    problems = gradient_problems(made, options)
    if problems:
        raise GradientError("\n".join(f"{made.name}: {problem}" for problem in problems))


def gradient_problems(case: Case, options: GradientOptions, before: float = math.nan) -> list[str]:
    """Return what is wrong with a layer's gradients, a message for each blob.

    before: what the bottom diffs hold when backward is called.
    """
    varied = options.wrt
    if varied is None:
        varied = [i for i, x in enumerate(case.bottoms) if _holds_floats(x)]
        if case.bottoms and not varied:
            return [
                "no bottom was varied, since all hold integers, so backward is not checked: give some as floats, "
                "or wrt=[] where no bottom can get a gradient"
            ]
    check = _Check(case, options, before)
    problems = [check.problem(f"bottom[{i}]", check.run.bottom[i], check.gradients[i]) for i in varied]
    blobs = check.run.layer.blobs
    learned = range(len(blobs)) if options.learned is None else options.learned
    problems += [check.problem(f"blobs[{i}]", blobs[i], check.learned[i]) for i in learned]
    if check.rounds and not any(problems):
        warnings.warn(
            f"{case.name} computes in float32, though its blobs hold {np.dtype(case.dtype)}: its gradient was "
            f"compared with a step of {check.options.in_float32().step:g} and an rtol of "
            f"{check.options.in_float32().rtol:g}",
            stacklevel=3,
        )
    return [problem for problem in problems if problem]


class _Check:
    """One layer, its top diffs, and the gradients that its backward gives for them.

    rounds: True once its forward turned out to compute in float32.
    """

    def __init__(self, case: Case, options: GradientOptions, before: float) -> None:
        self.case, self.options, self.before = case, options, before
        self.rng = np.random.RandomState(options.seed)
        self.run = LayerRun(case)
        # Each forward starts from the same values, also where a layer modifies its bottoms.
        self.values = [blob.data.copy() for blob in self.run.bottom]
        self.top_diffs = [
            self.rng.uniform(0.5, 2.0, np.shape(top)) * self.rng.choice([-1, 1], np.shape(top)) for top in self.tops()
        ]
        self.gradients, self.learned = self._backward(self.top_diffs)
        self.rounds = False

    def tops(self) -> list[Any]:
        for blob, data in zip(self.run.bottom, self.values):
            blob.data[...] = data
        return [np.array(top) for top in self.run.forward()]

    def problem(self, name: str, blob: Blob, gradient: Any) -> str:
        """Return what is wrong with the gradient of one blob, or ""."""
        if np.isnan(gradient).any():
            return (
                f"gradient of {name} of shape {tuple(gradient.shape)}: backward gives NaN, or leaves values unwritten"
            )
        options = self.options.in_float32() if self.rounds else self.options
        wrong = self._first_mismatch(blob, gradient, options)
        if wrong and not self.rounds and self._computes_in_float32(blob):
            self.rounds, options = True, self.options.in_float32()
            wrong = self._first_mismatch(blob, gradient, options)
        if not wrong:
            return ""
        where, analytic, numeric = wrong
        why = self._why(blob, gradient, options)
        precision = ", compared at the accuracy of float32, in which the layer computes" if self.rounds else ""
        return (
            f"gradient of {name} of shape {tuple(gradient.shape)} {where}: "
            f"backward gives {analytic:.9g}, forward's difference {numeric:.9g}{why} "
            f"(step {options.step:g}, seed {options.seed}, top diffs {_short(self.top_diffs)}{precision})"
        )

    def _backward(self, top_diffs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        self.tops()
        for blob in self.run.layer.blobs:
            blob.diff[...] = 0
        gradients = [np.array(diff) for diff in self.run.backward(top_diffs, before=self.before)]
        return gradients, [blob.diff.copy() for blob in self.run.layer.blobs]

    def _first_mismatch(self, blob: Blob, gradient: Any, options: GradientOptions) -> tuple[str, float, float] | None:
        for where, direction in self._directions(blob, options.exhaustive):
            numeric = self._slope(blob, direction, self.top_diffs, options.step)
            analytic = float(np.vdot(gradient, direction))
            if not abs(numeric - analytic) <= options.atol + options.rtol * max(abs(numeric), abs(analytic)):
                return where, analytic, numeric
        return None

    def _directions(self, blob: Blob, exhaustive: bool) -> Iterator[tuple[str, Any]]:
        kink, kink_range = self.options.kink, self.options.kink_range
        free = np.abs(np.abs(self._start(blob)) - kink) > kink_range if kink_range else np.ones(blob.data.shape, bool)
        if exhaustive:
            for index in np.argwhere(free):
                direction = np.zeros(free.shape)
                direction[tuple(index)] = 1
                yield f"at {tuple(map(int, index))}", direction
        elif free.any():
            # Every component counts: none is near zero.
            direction = self.rng.uniform(0.5, 1.0, free.shape) * self.rng.choice([-1, 1], free.shape) * free
            yield "along a random direction", direction / np.linalg.norm(direction)

    def _slope(self, blob: Blob, direction: Any, weights: Sequence[Any], step: float) -> float:
        """Return the central difference of sum(weights * top) along the direction."""
        high = self._tops_at(blob, step * direction)
        low = self._tops_at(blob, -step * direction)
        return float(sum(np.vdot(v, up - down) for v, up, down in zip(weights, high, low))) / (2 * step)

    def _start(self, blob: Blob) -> Any:
        """Return the array that the blob's values are taken from, one of self.values for a bottom."""
        return next((data for data, other in zip(self.values, self.run.bottom) if other is blob), blob.data)

    def _tops_at(self, blob: Blob, change: Any) -> list[Any]:
        start = self._start(blob)
        before = start.copy()
        start[...] = before + change
        tops = self.tops()
        start[...] = before
        blob.data[...] = before
        return tops

    def _computes_in_float32(self, blob: Blob) -> bool:
        """Return True if the tops do not move with a change that float64 sees and float32 does not."""
        if np.dtype(self.case.dtype) != np.float64:
            return False
        change = self._start(blob).copy()
        change[change == 0] = 1
        still, moved = self._tops_at(blob, 1e-12 * change), self._tops_at(blob, 1e-2 * change)
        here = self.tops()
        return all(map(np.array_equal, still, here)) and not all(map(np.array_equal, moved, here))

    def _why(self, blob: Blob, gradient: Any, options: GradientOptions) -> str:
        """Return what the difference may come from, or ""."""
        directions = [d for _ in range(4) for _, d in self._directions(blob, exhaustive=False)]
        analytic = [float(np.vdot(gradient, d)) for d in directions]
        sizes = self._sizes(blob)
        which = "top[0].diff, the loss weight" if len(self.top_diffs) == 1 else "the tops' diffs"
        if self._ignores_top_diffs(blob, gradient):
            ones = [np.ones_like(v) for v in self.top_diffs]
            ratio = constant_ratio(analytic, [self._slope(blob, d, ones, options.step) for d in directions])
            more = explain_ratio(ratio, sizes) if ratio else ""
            return f"; backward ignores {which}: multiply by it{f'; it also {more}' if more else ''}"
        ratio = constant_ratio(analytic, [self._slope(blob, d, self.top_diffs, options.step) for d in directions])
        if ratio:
            return f"; backward {explain_ratio(ratio, sizes)} (ratio {ratio:.6g})"
        return "" if options.exhaustive or gradient.size > 256 else self._where(blob, gradient, options)

    def _where(self, blob: Blob, gradient: Any, options: GradientOptions) -> str:
        wrong = np.zeros(gradient.shape, bool)
        for _, direction in self._directions(blob, exhaustive=True):
            numeric = self._slope(blob, direction, self.top_diffs, options.step)
            analytic = float(np.vdot(gradient, direction))
            tolerance = options.atol + options.rtol * max(abs(numeric), abs(analytic))
            wrong[direction != 0] = not abs(numeric - analytic) <= tolerance
        return f"; they differ {places(wrong)}" if wrong.any() else ""

    def _ignores_top_diffs(self, blob: Blob, gradient: Any) -> bool:
        if not np.any(gradient):
            return False
        bottoms, learned = self._backward([2 * v for v in self.top_diffs])
        among = [*self.run.bottom, *self.run.layer.blobs]
        again = next(x for x, other in zip([*bottoms, *learned], among) if other is blob)
        return bool(np.allclose(again, gradient, rtol=1e-6, atol=0))

    def _sizes(self, blob: Blob) -> list[tuple[str, int]]:
        shape = self.run.bottom[0].shape if self.run.bottom else blob.data.shape
        batch = shape[0] if shape else 1
        whole = math.prod(shape)
        return [
            ("the batch size", batch),
            ("the number of values", whole),
            ("the number of values of a sample", whole // max(batch, 1)),
            ("the number of channels", shape[1] if len(shape) > 1 else 1),
            ("the size of a map", math.prod(shape[2:])),
        ]


def _holds_floats(array: Any) -> bool:
    return np.asarray(array).dtype.kind == "f"


def _short(arrays: Sequence[Any]) -> str:
    return ", ".join(np.array2string(np.ravel(a)[:4], precision=4) for a in arrays)

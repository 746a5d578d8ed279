"""Gradients from backward against differences of forward."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Sequence

import numpy as np

from caffe_pylayers.testing._stub import Blob, LayerRun


class GradientError(AssertionError):
    """backward and forward disagree; the message has both numbers and where."""


def check_gradient(
    layer_class: type,
    bottoms: Sequence[Any],
    *,
    param_str: str = "",
    tops: int = 1,
    phase: int = 0,
    wrt: Sequence[int] | None = None,
    exhaustive: bool = False,
    kink: float = 0.0,
    kink_range: float = 0.0,
    dtype: Any = np.float64,
    step: float = 1e-5,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 1701,
) -> None:
    """Raise GradientError unless backward gives the gradient of forward.

    The function is sum(v * top) with random top diffs v: a loss that ignores its loss weight
    fails. Checked are the bottoms and the layer's learned blobs, along one random direction
    each, so that the cost does not depend on the size; or value by value.

    layer_class: a Caffe Python layer class, with or without an engine.
    bottoms: arrays (numpy), one for each bottom; integer arrays (labels) are not varied.
    tops: number of tops.
    wrt: indices of the bottoms to check; default: all that hold no integers.
    exhaustive: every value instead of one direction: for small blobs.
    kink, kink_range: values x with abs(abs(x) - kink) <= kink_range stay fixed, as in Caffe's
        checker: the function has a corner there.
    dtype: of the blobs; float32 for a layer that insists on it, with step=1e-2, rtol=1e-2.
    step: of the central difference.
    seed: of the top diffs and directions.
    """
    rng = np.random.RandomState(seed)
    run = LayerRun(layer_class, bottoms, param_str=param_str, tops=tops, phase=phase, dtype=dtype)
    top_diffs = [
        rng.uniform(0.5, 2.0, top.shape) * rng.choice([-1, 1], top.shape) for top in map(np.array, run.forward())
    ]
    if wrt is None:
        wrt = [i for i, x in enumerate(bottoms) if not np.issubdtype(np.asarray(x).dtype, np.integer)]
    for blob in run.layer.blobs:
        blob.diff[...] = 0
    gradients = [np.array(d) for d in run.backward(top_diffs)]
    checked = [(f"bottom[{i}]", run.bottom[i], gradients[i]) for i in wrt]
    checked += [(f"blobs[{i}]", blob, blob.diff.copy()) for i, blob in enumerate(run.layer.blobs)]

    def objective() -> float:
        return float(sum(np.vdot(v, top) for v, top in zip(top_diffs, run.forward())))

    for name, blob, gradient in checked:
        free = np.abs(np.abs(blob.data) - kink) > kink_range if kink_range else np.ones(blob.shape, bool)
        for where, direction in _directions(rng, free, exhaustive):
            numeric = _slope(objective, blob, direction, step)
            analytic = float(np.vdot(gradient, direction))
            if not abs(numeric - analytic) <= atol + rtol * max(abs(numeric), abs(analytic)):
                raise GradientError(
                    f"{layer_class.__name__}: gradient of {name} of shape {blob.shape} {where}: "
                    f"backward gives {analytic:.9g}, forward's difference {numeric:.9g} "
                    f"(step {step:g}, seed {seed}, top diffs {_short(top_diffs)})"
                )


def _directions(rng: np.random.RandomState, free: Any, exhaustive: bool) -> Iterator[tuple[str, Any]]:
    if exhaustive:
        for index in zip(*free.nonzero()):
            direction = np.zeros(free.shape)
            direction[index] = 1
            yield f"at {tuple(map(int, index))}", direction
    elif free.any():
        # Every component counts: none is near zero.
        direction = rng.uniform(0.5, 1.0, free.shape) * rng.choice([-1, 1], free.shape) * free
        yield "along a random direction", direction / np.linalg.norm(direction)


def _slope(objective: Callable[[], float], blob: Blob, direction: Any, step: float) -> float:
    start = blob.data.copy()
    blob.data[...] = start + step * direction
    high = objective()
    blob.data[...] = start - step * direction
    low = objective()
    blob.data[...] = start
    return (high - low) / (2 * step)


def _short(arrays: Sequence[Any]) -> str:
    return ", ".join(np.array2string(np.ravel(a)[:4], precision=4) for a in arrays)

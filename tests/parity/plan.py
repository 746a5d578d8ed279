"""The plan of a Case for both engines: its prototxt, its loss weights, the gradients of its tops."""

import hashlib
import re

import numpy as np


def down(case):
    """The bottoms whose gradients are computed."""
    return range(len(case.bottoms)) if case.down is None else case.down


def loss_weights(case, tops):
    """The loss weight of each top, as Caffe gives them: from the prototxt, or 1 for the first top of a loss."""
    written = [float(weight) for weight in re.findall(r"\bloss_weight\s*:\s*([-+.\deE]+)", case.param)]
    if written:
        return written
    first = case.loss_weight
    if first is None:
        first = 1.0 if case.type.endswith("Loss") else 0.0
    return [first, *[0.0] * (tops - 1)][:tops]


def layer_text(case, every_top_counts=False):
    """The layer's prototxt; every_top_counts gives tops without a loss weight one, for a net to run backward."""
    lines = [f'name: "layer" type: "{case.type}"']
    lines += [f'bottom: "b{i}"' for i in range(len(case.bottoms))]
    lines += ['top: "b0"' if case.in_place and i == 0 else f'top: "t{i}"' for i in range(case.tops)]
    if "loss_weight" not in case.param:
        weights = loss_weights(case, case.tops)
        if not any(weights) and every_top_counts:
            weights = [1.0] * case.tops
        if any(weights):
            lines += [f"loss_weight: {weight:g}" for weight in weights]
    return "\n".join([*lines, case.param])


def top_diff(index, shape):
    """The gradient that a top without a loss weight is given."""
    return np.random.RandomState(1000 + index).standard_normal(shape).astype(np.float32)


def digest(case):
    """Return a hash of all that a recording depends on."""
    facts = [layer_text(case), case.phase, sorted(down(case)), case.loss_weight, [x.shape for x in case.bottoms]]
    recipe = hashlib.sha256(repr(facts).encode())
    if case.before:
        recipe.update(repr([x.shape for x in case.before]).encode())
    for x in [*case.bottoms, *case.arrays, *case.before]:
        recipe.update(np.ascontiguousarray(x, np.float32).tobytes())
    return recipe.hexdigest()[:16]

"""AbsVal, Clip, Exp, Log, Power, Threshold."""

import numpy as np

from tests.parity.case import TEST, Case, normal, uniform

X = normal(2, 3, 4, 5)
POSITIVE = uniform(2, 3, 4, low=0.1, high=4)
STEPS = np.array([[-2, -1, -0.5, -0.0], [0, 0.5, 1, 2]], np.float32)


def cases(kind, params, *bottoms, **facts):
    name = {"Exp": "exp", "Log": "log", "Power": "power", "Clip": "clip", "Threshold": "threshold"}[kind]
    return [Case(kind, f"{name}_param {{ {param} }}", [x], **facts) for param in params for x in bottoms]


CLIP = ["min: -0.5 max: 0.5", "min: 0 max: 6", "min: 0.5 max: -0.5", "min: 1 max: 1"]
EXP = ["", "base: 2", "base: 0.5", "base: 1", "scale: 2", "scale: 0", "shift: 1.5", "base: 3 scale: -0.5 shift: -1"]
EXP += ["base: 10 shift: 2", "scale: -1"]
LOG = ["", "base: 2", "base: 0.5", "base: 10", "scale: 2", "shift: 1.5", "base: 3 scale: 0.5 shift: 2"]
POWER = ["", "power: 2", "power: 3", "power: 0.5", "power: -1", "power: 0", "power: 1.7", "scale: 2", "scale: 0"]
POWER += ["shift: 5", "power: 2 scale: 3", "power: 2 shift: -1", "power: 2 scale: 0.5 shift: 1", "scale: -2 shift: 1"]
POWER += ["power: 3 scale: 0.5 shift: 1", "power: 2 scale: 0 shift: 3", "power: 0 shift: 2", "power: 0.5 shift: 5"]
POWER += ["power: 0 scale: 0", "power: -2 scale: 0 shift: 0"]
THRESHOLD = ["", "threshold: 0.5", "threshold: -1"]

CASES = [
    *[Case("AbsVal", "", [x]) for x in (X, STEPS, normal(7), normal(), normal(1, 2, 2, 1, 3))],
    Case("AbsVal", "", [X], phase=TEST),
    Case("AbsVal", "", [X], loss_weight=3.7),
    *cases("Clip", CLIP, X, STEPS),
    *cases("Clip", CLIP, STEPS, in_place=True),
    *cases("Exp", EXP, X),
    *cases("Exp", EXP, X, in_place=True),
    *cases("Log", LOG, POSITIVE),
    *cases("Log", LOG, 1 + POSITIVE, in_place=True),
    *cases("Log", ["", "base: 2 scale: 2"], STEPS),
    *cases("Power", POWER, X, POSITIVE, STEPS),
    *cases("Power", POWER, POSITIVE, in_place=True),
    *cases("Threshold", THRESHOLD, X, STEPS, down=[], exact=True),
    *cases("Threshold", THRESHOLD, X, in_place=True, down=[], exact=True),
    *cases("Exp", [""], normal(), normal(3, 1, 2, 1, 2), phase=TEST),
    *cases("Power", ["power: 3"], normal(), normal(3, 1, 2, 1, 2), phase=TEST),
    *cases("Log", [""], POSITIVE, loss_weight=3.7),
    *cases("Exp", ["base: 2"], X, loss_weight=3.7),
    *cases("Power", ["power: 2"], X, loss_weight=3.7),
]

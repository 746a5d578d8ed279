"""PReLU."""

import numpy as np

from tests.parity.case import TEST, Case, normal

X = normal(2, 3, 4, 5)
PARAMS = ["", "channel_shared: true", "filler { value: -0.5 }", "filler { type: 'xavier' }"]
PARAMS += ["channel_shared: true filler { value: 1.5 }", "filler { type: 'gaussian' std: 2 }"]


def prelu(param, x, more="", **facts):
    return Case("PReLU", f"prelu_param {{ {param} }} {more}", [x], **facts)


CASES = [
    *[prelu(param, X, in_place=in_place) for param in PARAMS for in_place in (False, True)],
    *[prelu(param, normal(*shape)) for param in PARAMS[:2] for shape in [(4, 3), (1, 6), (3, 2, 7), (2, 1, 3, 3)]],
    prelu("", np.zeros((2, 3), np.float32)),
    prelu("", X, phase=TEST),
    prelu("", X, phase=TEST, in_place=True),
    prelu("", X, down=[]),
    prelu("", X, loss_weight=3.7),
    prelu("", X, "blobs { shape { dim: 3 } data: 0.1 data: -2 data: 0 }"),
    prelu("channel_shared: true", X, "blobs { shape { } data: 0.1 }"),
]

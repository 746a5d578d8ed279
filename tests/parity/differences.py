"""Three places where Caffe computes wrong values: each function is given its ``caffe`` and returns arrays by name.

differences.py FILE: under real Caffe, writes the arrays of all of them to an npz.
"""

import os
import sys

import numpy as np

if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tests.parity.uses import INPUT, layer, make

VALUES = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
X = INPUT % "dim: 2 dim: 3 dim: 2"


def flatten_after_reshape(caffe):
    """x, then a layer whose top has x's memory, then Flatten: the gradient of x is that at the end, in x's shape."""
    found = {}
    for kind, param in (
        ("Reshape", "reshape_param { shape { dim: 2 dim: 2 dim: 3 } }"),
        ("Concat", ""),
        ("Slice", ""),
        ("Flatten", ""),
    ):
        net = make(caffe, "force_backward: true\n" + X + layer(kind, param, "x", "v") + layer("Flatten", "", "v", "y"))
        net.forward(x=VALUES)
        net.backward(y=VALUES.reshape(2, 6) + 1)
        found[kind] = net.blobs["x"].diff.copy()
    return found


def scale_in_place_backward_twice(caffe):
    """y = s x in place: each backward after one forward adds the sum of d_y x to the gradient of s."""
    scale = layer("Scale", "scale_param { filler { value: 3 } }", "y", "y")
    net = make(caffe, "force_backward: true\n" + X + layer("Power", "", "x", "y") + scale)
    net.forward(x=VALUES)
    found = {}
    for name in ("once", "twice"):
        net.backward(y=np.full_like(VALUES, 2))
        found[name] = net.params["Scale_y"][0].diff.copy()
    return found


def forward_from_past_a_split(caffe):
    """y = 2 x, where another layer reads x too: forward from y's layer on, before and after one of the whole net."""
    net = make(caffe, X + layer("Power", "power_param { scale: 2 }", "x", "y") + layer("Power", "", "x", "z"))
    net.blobs["x"].data[...] = VALUES
    found = {"before": net.forward(start="Power_y")["y"].copy()}
    net.forward()
    net.blobs["x"].data[...] = VALUES + 1
    found["after"] = net.forward(start="Power_y")["y"].copy()
    return found


PLACES = [flatten_after_reshape, scale_in_place_backward_twice, forward_from_past_a_split]


def record(path):
    """Write the arrays of all places, computed by real Caffe, to an npz."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    import caffe

    np.savez(path, **{f"{place.__name__}/{name}": x for place in PLACES for name, x in place(caffe).items()})


if __name__ == "__main__":
    record(sys.argv[1])

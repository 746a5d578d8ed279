"""Cost volumes beside the definition, place by place, and their gradients beside PyTorch's."""

import json

import numpy as np
import pytest

from caffe_pylayers.cost_volume import Correlation, Correlation1D
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(4)
FAR = 20  # zeros around both maps: more than any displacement

SEARCHES = [
    {"pad": 3, "max_displacement": 3},
    {"pad": 4, "max_displacement": 4, "stride_2": 2},
    {"pad": 4, "max_displacement": 4, "stride_1": 2, "stride_2": 2},
    {"pad": 2, "max_displacement": 3, "stride_1": 2, "stride_2": 3, "kernel_size": 3},
    {"pad": 2, "max_displacement": 0, "stride_1": 3},
]


def defined(a, b, down, across, places, pads, kernel, stride, kind):
    """The volume from its formula; a, b: tensors; down, across: displacements; places, pads: of rows and columns."""
    torch = pytest.importorskip("torch")
    a, b = (torch.nn.functional.pad(maps, [FAR] * 4) for maps in (a, b))
    tops = []
    for dy in down:
        for dx in across:
            there = b.roll((-dy, -dx), (2, 3))
            found = a * there if kind == "multiply" else (a - there).abs()
            mean = torch.nn.functional.avg_pool2d(found.mean(1, keepdim=True), kernel, 1)
            y, x = (FAR + pad for pad in pads)
            tops.append(mean[:, :, y::stride, x::stride][:, :, : places[0], : places[1]])
    return torch.cat(tops, 1)


@pytest.mark.parametrize("kind", ["multiply", "subtract"])
@pytest.mark.parametrize("search", SEARCHES, ids=str)
@pytest.mark.parametrize("direction", [None, -1, 0, 1])
def test_beside_the_definition(direction, search, kind):
    torch = pytest.importorskip("torch")
    parameters = {"kernel_size": 1, "correlation_type": kind, **search}
    if direction is not None:
        parameters["single_direction"] = direction
    bottoms = [rng.standard_normal((2, 3, 7, 9)) for _ in range(2)]
    run = LayerRun(Correlation if direction is None else Correlation1D, bottoms, param_str=json.dumps(parameters))
    (top,) = run.forward()
    kernel, stride = parameters["kernel_size"], search.get("stride_1", 1)
    step, most = search.get("stride_2", 1), search["max_displacement"]
    radius, start = most // step, most - search["pad"]
    both = [step * d for d in range(-radius, radius + 1)]
    across = {None: both, 0: both, -1: [-step * d for d in range(radius + 1, 0, -1)], 1: both[radius:]}[direction]
    down, above = (both, start) if direction is None else ([0], 0)
    places = [-(-(n - 2 * s - kernel + 1) // stride) for n, s in zip((7, 9), (above, start))]
    tensors = [torch.tensor(bottom, requires_grad=True) for bottom in bottoms]
    wanted = defined(*tensors, down, across, places, (above, start), kernel, stride, kind)
    np.testing.assert_allclose(top, wanted.detach(), rtol=1e-12, atol=1e-14)
    d_top = rng.standard_normal(top.shape)
    wanted.backward(torch.tensor(d_top))
    for found, tensor in zip(run.backward([d_top]), tensors):
        np.testing.assert_allclose(found, tensor.grad, rtol=1e-10, atol=1e-12)


def test_by_hand():
    bottoms = [[[[1, 2], [3, 4]], [[0, 1], [1, 0]]]], [[[[1, 0], [0, 1]], [[2, 2], [2, 2]]]]
    (top,) = LayerRun(Correlation, bottoms, param_str="{pad: 1, kernel_size: 1, max_displacement: 1}").forward()
    assert top[0, 4].ravel().tolist() == [0.5, 1, 1, 2]
    assert top[0, 0].ravel().tolist() == [0, 0, 0, 2]
    assert top[0, 1].ravel().tolist() == [0, 0, 2.5, 0]


@pytest.mark.parametrize(
    ("shapes", "text", "message"),
    [
        ([(1, 2, 3, 4)] * 2, "kernel_size: 2, max_displacement: 1", "kernel_size must be odd, got 2"),
        ([(1, 2, 3, 4)] * 2, "kernel_size: 1, max_displacement: 2", r"maps of \(3, 4\) have no place for the window"),
        ([(1, 2, 3, 4), (1, 2, 3, 5)], "kernel_size: 1, max_displacement: 0", r"bottom\[1\] \(b\) must have the shape"),
        ([(2, 3)] * 2, "kernel_size: 1, max_displacement: 0", r"bottom\[0\] \(a\) must have the shape \(N, C, H, W\)"),
    ],
)
def test_what_is_refused(shapes, text, message):
    with pytest.raises(ValueError, match=f"^Correlation: {message}"):
        LayerRun(Correlation, [np.zeros(shape) for shape in shapes], param_str=f"{{{text}}}").forward()

"""L2Normalize, LpNormalize and ChannelScale: against PyTorch, in place in a net, and what is refused."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.embeddings import ChannelScale, L2Normalize, LpNormalize
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(2)
MAPS = rng.standard_normal((3, 4, 2, 5))


@pytest.mark.parametrize(
    ("options", "dims"),
    [
        ({}, 1),
        ({"axis": -1}, -1),
        ({"axis": 0}, 0),
        ({"across_spatial": True}, (1, 2, 3)),
        ({"axis": 2, "across_spatial": True}, (2, 3)),
        ({"eps": 2.0}, 1),
    ],
)
def test_is_pytorchs(options, dims):
    torch = pytest.importorskip("torch")
    x, d_y = torch.tensor(MAPS, requires_grad=True), rng.standard_normal(MAPS.shape)
    lengths = torch.linalg.vector_norm(x, dim=dims, keepdim=True)
    y = torch.where(lengths >= options.get("eps", 1e-12), x / lengths, 0)
    if isinstance(dims, int) and "eps" not in options:
        np.testing.assert_array_equal(y.detach(), torch.nn.functional.normalize(x, dim=dims).detach())
    y.backward(torch.tensor(d_y))
    run = LayerRun(L2Normalize, [MAPS], param_str=repr(options))
    np.testing.assert_allclose(run.forward()[0], y.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(run.backward([d_y])[0], x.grad.numpy(), rtol=1e-11, atol=1e-14)


def test_a_vector_without_a_direction_has_no_gradient():
    x = MAPS.copy()
    x[0, :, 1, 2], x[1, :, 0, 3] = 0, 1e-13
    run = LayerRun(L2Normalize, [x])
    y, d_x = run.forward()[0], run.backward([rng.standard_normal(x.shape)])[0]
    for found in (y, d_x):
        np.testing.assert_array_equal(found[0, :, 1, 2], np.zeros(4))
        np.testing.assert_array_equal(found[1, :, 0, 3], np.zeros(4))
    assert np.abs(d_x).max() < 100


NET = """
force_backward: true
input: "x" input_shape {{ dim: 3 dim: 4 dim: 2 dim: 5 }}
layer {{ name: "copy" type: "Power" bottom: "x" top: "p" }}
layer {{
  name: "norm" type: "Python" bottom: "p" top: "{top}"
  python_param {{ module: "caffe_pylayers.embeddings" layer: "L2Normalize" }}
}}
"""


@pytest.mark.skipif(not _engine.available(), reason="no caffe here")
def test_in_place(tmp_path):
    caffe = _engine.caffe()
    found, d_y = [], rng.standard_normal(MAPS.shape)
    for top in ("p", "y"):
        path = tmp_path / f"{top}.prototxt"
        path.write_text(NET.format(top=top))
        net = caffe.Net(str(path), caffe.TRAIN)
        net.blobs["x"].data[...] = MAPS
        net.forward()
        net.blobs[top].diff[...] = d_y
        net.backward()
        found.append([net.blobs[top].data.copy(), net.blobs["x"].diff.copy()])
    for inside, apart in zip(*found):
        np.testing.assert_allclose(inside, apart, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(found[0][0], axis=1), 1, rtol=1e-6)


def test_refused_axis():
    with pytest.raises(ValueError, match=r"^L2Normalize: axis 4 is outside bottom\[0\] \(x\) of shape \(3, 4, 2, 5\)"):
        LayerRun(L2Normalize, [MAPS], param_str="axis: 4")


@pytest.mark.parametrize("bp_norm", ["true", "false"])
@pytest.mark.parametrize("p", [1, 2])
def test_the_length_and_what_is_divided_by_it(p, bp_norm):
    torch = pytest.importorskip("torch")
    x, diffs = torch.tensor(MAPS, requires_grad=True), [rng.standard_normal(s) for s in (MAPS.shape, (3, 1, 2, 5))]
    lengths = x.abs().sum(1, keepdim=True) + 0.1 if p == 1 else (x.square().sum(1, keepdim=True) + 0.1).sqrt()
    loss = (x / lengths * torch.tensor(diffs[0])).sum()
    if bp_norm == "true":
        loss = loss + (lengths * torch.tensor(diffs[1])).sum()
    loss.backward()
    run = LayerRun(LpNormalize, [MAPS], param_str=f"{{p: {p}, eps: 0.1, bp_norm: {bp_norm}}}", tops=2)
    for ours, theirs in zip(run.forward(), (x / lengths, lengths)):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(run.backward(diffs)[0], x.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_the_fixed_gradient_is_not_divided():
    runs = [LayerRun(LpNormalize, [np.array([[3.0, 4]])], param_str=text) for text in ("", "fix_gradient: true")]
    for run in runs:
        run.forward()
    true, fixed = (run.backward([np.array([[1.0, 0]])])[0] for run in runs)
    assert fixed == pytest.approx(np.array([[0.64, -0.48]]))
    assert true == pytest.approx(fixed / 5)


# --- ChannelScale --------------------------------------------------------------------------------


@pytest.mark.parametrize("factors", [(2, 1, 3, 4), (2, 3, 4), (2, 12)])
def test_channel_scale(factors):
    x, s, d_y = (rng.standard_normal(shape) for shape in ((2, 5, 3, 4), factors, (2, 5, 3, 4)))
    of_positions = s.reshape(2, 1, 3, 4)
    run = LayerRun(ChannelScale, [x, s])
    assert run.forward()[0] == pytest.approx(x * of_positions)
    d_x, d_s = run.backward([d_y])
    assert d_x == pytest.approx(d_y * of_positions)
    assert d_s.ravel() == pytest.approx((d_y * x).sum(1).ravel())


def test_channel_scale_gives_lengths_back():
    x = rng.standard_normal((3, 4))
    units, lengths = LayerRun(LpNormalize, [x], tops=2).forward()
    assert LayerRun(ChannelScale, [units, lengths]).forward()[0] == pytest.approx(x)


@pytest.mark.parametrize("without", ["forward", "backward_feature", "backward_scale"])
def test_channel_scale_in_part(without):
    run = LayerRun(ChannelScale, [[[3.0, 4.0]], [2.0]], param_str=f"do_{without}: false")
    assert run.forward()[0].tolist() == [[3, 4] if without == "forward" else [6, 8]]
    d_x, d_s = run.backward([[[1.0, 10.0]]])
    assert d_x.tolist() == [[1, 10] if without == "backward_feature" else [2, 20]]
    assert d_s.tolist() == [0 if without == "backward_scale" else 43]


@pytest.mark.parametrize("shapes", [[(2, 4, 3), (2, 4)], [(2,), (2,)]])
def test_channel_scale_refuses_what_does_not_fit(shapes):
    with pytest.raises(ValueError, match=r"^ChannelScale: needs x \(N, C, ...\), and a factor for each position"):
        LayerRun(ChannelScale, [np.zeros(shape) for shape in shapes])

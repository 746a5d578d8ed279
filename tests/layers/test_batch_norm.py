"""Batch normalization: against PyTorch and Caffe's own, values by hand, and what it refuses."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers._layer import arrays, blocks
from caffe_pylayers._layer.functions import fused
from caffe_pylayers.batch_norm import BatchNorm
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
X = rng.standard_normal((4, 6, 5, 3)) * 3 + 2
D_Y = rng.standard_normal(X.shape)
BY_HAND = np.array([[1.0], [3], [5]])


def blobs_of(run):
    return dict(zip(run.layer.learned, (arrays.to_numpy(blob.data).ravel() for blob in run.layer.blobs)))


@pytest.mark.parametrize("phase", [0, 1])
@pytest.mark.parametrize("way", ["kernel", "formula", "formula 40", "numpy"])
def test_as_pytorch(way, phase, monkeypatch):
    torch = pytest.importorskip("torch")
    if way.startswith("formula"):
        monkeypatch.setattr(fused, "has_norms", lambda xp: False)
        monkeypatch.setattr(blocks, "_MOST", int(way.split()[1]) if " " in way else 1 << 16)
    kind, back = (np.asarray, np.asarray) if way == "numpy" else (torch.tensor, torch.Tensor.numpy)
    ours = LayerRun(BatchNorm, [kind(X)], param_str="{unbiased: true, moving_average_fraction: 0.7}", phase=phase)
    for i in range(4):
        ours.layer.blobs[i].data[...] = kind(rng.uniform(0.5, 2, 6))
        ours.layer.blobs[i].diff[...] = 0
    scale, shift, mean, variance = (torch.tensor(np.array(back(blob.data))) for blob in ours.layer.blobs)
    x, scale, shift = (part.requires_grad_() for part in (torch.tensor(X), scale, shift))
    y = torch.nn.functional.batch_norm(x, mean, variance, scale, shift, training=not phase, momentum=0.3)
    y.backward(torch.tensor(D_Y))
    np.testing.assert_allclose(back(ours.forward()[0]), y.detach().numpy(), rtol=1e-11, atol=1e-12)
    found = [ours.backward([kind(D_Y)])[0], ours.layer.blobs[0].diff, ours.layer.blobs[1].diff]
    for mine, theirs in zip(found, (x, scale, shift)):
        np.testing.assert_allclose(back(mine), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)
    for i, theirs in ((2, mean), (3, variance)):
        np.testing.assert_allclose(back(ours.layer.blobs[i].data), theirs.numpy(), rtol=1e-10)


@pytest.mark.parametrize("way", ["tensors", "numpy"])
@pytest.mark.parametrize("samples", [2, 3, 9])
def test_parts_of_a_batch_are_batches(samples, way):
    torch = pytest.importorskip("torch")
    kind = torch.tensor if way == "tensors" else np.asarray
    text = f"{{unbiased: true, moving_average_fraction: 0.7, scale: 2, shift: 1, stats_batch_size: {samples}}}"
    ours = LayerRun(BatchNorm, [kind(X)], param_str=text)
    x, scale, shift = (torch.tensor(values, requires_grad=True) for values in (X, np.full(6, 2.0), np.ones(6)))
    mean, variance = torch.zeros(6, dtype=x.dtype), torch.ones(6, dtype=x.dtype)
    parts = [
        torch.nn.functional.batch_norm(part, mean, variance, scale, shift, training=True, momentum=0.3)
        for part in x.split(samples)
    ]
    y = torch.cat(parts)
    y.backward(torch.tensor(D_Y))
    np.testing.assert_allclose(np.asarray(ours.forward()[0]), y.detach().numpy(), rtol=1e-11, atol=1e-12)
    found = [ours.backward([kind(D_Y)])[0], *(blob.diff for blob in ours.layer.blobs[:2])]
    for mine, theirs in zip(found, (x, scale, shift)):
        np.testing.assert_allclose(np.asarray(mine), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)
    for i, theirs in ((2, mean), (3, variance)):
        np.testing.assert_allclose(np.asarray(ours.layer.blobs[i].data), theirs.numpy(), rtol=1e-10)


def test_parts_have_no_one_mean():
    with pytest.raises(ValueError, match=r"^BatchNorm: with stats_batch_size there is no one mean and variance"):
        LayerRun(BatchNorm, [X], param_str="stats_batch_size: 2", tops=2)


def test_gradients_through_the_statistics_are_autograds():
    torch = pytest.importorskip("torch")
    run = LayerRun(BatchNorm, [X], tops=3)
    run.forward()
    diffs = [D_Y, rng.standard_normal(6), rng.standard_normal(6)]
    x = torch.tensor(X, requires_grad=True)
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    y = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    sum((top * torch.tensor(diff)).sum() for top, diff in zip((y, mean, variance), diffs)).backward()
    np.testing.assert_allclose(run.backward(diffs)[0], x.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("phase", [0, 1])
def test_as_caffes_batch_norm_and_scale(phase, tmp_path):
    """The blobs of Intel's BatchNorm are those of Caffe's and of the Scale behind it."""
    (tmp_path / "net.prototxt").write_text(
        'input: "x" input_shape { dim: 4 dim: 6 dim: 5 dim: 3 } force_backward: true'
        ' layer { name: "bn" type: "BatchNorm" bottom: "x" top: "bn"'
        " batch_norm_param { moving_average_fraction: 0.7 } }"
        ' layer { name: "scale" type: "Scale" bottom: "bn" top: "y" scale_param { bias_term: true } }'
    )
    net = _engine.caffe().Net(str(tmp_path / "net.prototxt"), phase)
    run = LayerRun(
        BatchNorm,
        [X],
        param_str="{learned: [mean, variance, correction, scale, shift], averaging: sum, unbiased: true, "
        "moving_average_fraction: 0.7}",
        phase=phase,
    )
    theirs = [*net.params["bn"], *net.params["scale"]]
    for i, values in enumerate((rng.rand(6), rng.rand(6) + 1, [1.5], rng.rand(6), rng.rand(6))):
        run.layer.blobs[i].data[...] = theirs[i].data[...] = values
    net.blobs["x"].data[...] = X
    net.forward()
    (y,) = run.forward()
    assert y == pytest.approx(net.blobs["y"].data, rel=1e-4, abs=1e-5)
    for mine, other in zip(run.layer.blobs, theirs):
        assert mine.data == pytest.approx(other.data, rel=1e-5)
    net.blobs["y"].diff[...] = D_Y
    net.backward()
    assert run.backward([D_Y])[0] == pytest.approx(net.blobs["x"].diff, rel=1e-4, abs=1e-5)


def test_pspnet_by_hand():
    text = "{blob_axes: 2, scale: 2, shift: 0.5, variance: 4}"
    run = LayerRun(BatchNorm, [BY_HAND], param_str=text)
    run.layer.blobs[2].data[...] = 1
    assert run.forward()[0].ravel() == pytest.approx([-1.94949, 0.5, 2.94949], abs=1e-5)
    found = blobs_of(run)
    assert (found["mean"], found["variance"]) == (pytest.approx(1.2), pytest.approx(3.86667, abs=1e-5))
    run = LayerRun(BatchNorm, [BY_HAND], param_str=text, phase=1)
    run.layer.blobs[2].data[...] = 1
    assert run.forward()[0].ravel() == pytest.approx([0.5, 2.5, 4.5], abs=1e-4)
    assert blobs_of(run)["variance"] == pytest.approx(4)


def test_caffe_windows_keeps_the_inverse_deviation():
    text = "{learned: [scale, shift, mean, inverse_std], scale: 2, shift: 0.5, variance: 0.5}"
    run = LayerRun(BatchNorm, [BY_HAND], param_str=text)
    run.forward()
    assert blobs_of(run)["inverse_std"] == pytest.approx(0.9 * 0.5 + 0.1 / np.sqrt(8 / 3 + 1e-5))
    run = LayerRun(BatchNorm, [BY_HAND], param_str=text, phase=1)
    run.layer.blobs[2].data[...] = 1
    assert run.forward()[0].ravel() == pytest.approx([0.5, 2.5, 4.5])


@pytest.mark.parametrize(("mode", "expected"), [("false", [-1.94949, 0.5, 2.94949]), ("true", [2.5, 6.5, 10.5])])
@pytest.mark.parametrize("phase", [0, 1])
def test_segnet_by_hand(mode, expected, phase):
    text = f"{{learned: [scale, shift], scale: 2, shift: 0.5, eps: 1.0e-9, use_global_stats: {mode}}}"
    y, mean, variance = LayerRun(BatchNorm, [BY_HAND], param_str=text, phase=phase, tops=3).forward()
    assert y.ravel() == pytest.approx(expected, abs=1e-5)
    if mode == "false":
        assert (mean, variance) == (pytest.approx(3), pytest.approx(8 / 3))


def test_nvidias_by_hand():
    text = "{learned: [mean, variance, correction, scale, shift], averaging: from_first, variance: 0, unbiased: true}"
    run = LayerRun(BatchNorm, [BY_HAND], param_str=text)
    run.forward()
    assert {name: values[0] for name, values in blobs_of(run).items()} == pytest.approx(
        {"mean": 3, "variance": 4, "correction": 1, "scale": 1, "shift": 0}
    )
    run.bottom[0].data[...] = BY_HAND + 10
    run.forward()
    assert blobs_of(run)["mean"] == pytest.approx(4)
    run = LayerRun(BatchNorm, [BY_HAND], param_str=text, phase=1)
    for blob, value in zip(run.layer.blobs, (1, 4, 1, 2, 0.5)):
        blob.data[...] = value
    assert run.forward()[0].ravel() == pytest.approx([0.5, 2.5, 4.5], abs=1e-4)


def test_averages_go_on_where_a_file_holds_sums():
    """Intel's running sums under NVIDIA's rule: the mean of 2, as 6 with the correction 3, and the batch's 3."""
    run = LayerRun(BatchNorm, [BY_HAND], param_str="{learned: [mean, variance, correction], unbiased: true}")
    for blob, value in zip(run.layer.blobs, (6, 3, 3)):
        blob.data[...] = value
    run.forward()
    found = blobs_of(run)
    assert (found["mean"] / 3, found["variance"] / 3) == (pytest.approx(2.1), pytest.approx(1.3))


def test_frozen_learns_nothing():
    run = LayerRun(BatchNorm, [X], param_str="{frozen: true, variance: 4, scale: 2}")
    y = run.forward()[0]
    assert y == pytest.approx(X * 2 / np.sqrt(4 + 1e-5))
    assert run.backward([D_Y])[0] == pytest.approx(D_Y * 2 / np.sqrt(4 + 1e-5))
    assert all((blob.diff == 0).all() for blob in run.layer.blobs)
    assert blobs_of(run)["mean"] == pytest.approx(0)


def test_one_value_a_channel():
    run = LayerRun(BatchNorm, [X[:1, :, 0, 0]], param_str="{unbiased: true, shift: 3}")
    assert run.forward()[0] == pytest.approx(3)
    assert blobs_of(run)["variance"] == pytest.approx(0.9)
    assert run.backward([np.ones((1, 6))])[0] == pytest.approx(0)


@pytest.mark.parametrize(
    "text",
    [
        "learned: [scale, scale]",
        "learned: [shift]",
        "learned: [scale, mean]",
        "learned: [variance]",
        "learned: [mean, variance, inverse_std]",
        "learned: [mean, inverse_std, correction]",
        "averaging: sum",
    ],
)
def test_blobs_that_do_not_go_together(text):
    with pytest.raises(ValueError, match=r"^BatchNorm: learned must name each blob once, shift with scale, "):
        LayerRun(BatchNorm, [X], param_str=f"{{{text}}}")


def test_axes():
    with pytest.raises(ValueError, match="blobs of 2 axes have no axis 3 for the channels"):
        LayerRun(BatchNorm, [X], param_str="{blob_axes: 2, axis: 3}")
    with pytest.raises(ValueError, match=r"axis 1 is outside bottom\[0\] of shape \(4,\)"):
        LayerRun(BatchNorm, [X[:, 0, 0, 0]])
    run = LayerRun(BatchNorm, [X], param_str="{blob_axes: 4, axis: -2}")
    assert run.layer.blobs[0].data.shape == (1, 1, 5, 1)
    run.bottom[0].reshape(4, 6, 3, 3)
    with pytest.raises(ValueError, match=r"\(4, 6, 3, 3\) needs scale of shape \(1, 1, 3, 1\), but it was made with"):
        run.forward()

"""The layers of noise: what is drawn, in which phase, from which seed; and the gradient for what was drawn."""

import numpy as np
import pytest

from caffe_pylayers.mixing import Cutout, Mixup
from caffe_pylayers.noise import AlphaDropout, DropPath, GaussianNoise, SpatialDropout
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(0)
MAPS = rng.standard_normal((40, 5, 6, 7)).astype(np.float32)
CODES = np.eye(8)[rng.randint(0, 8, 40)].astype(np.float32)
LAYERS = {
    SpatialDropout: ([MAPS], ""),
    DropPath: ([MAPS], ""),
    AlphaDropout: ([MAPS], ""),
    GaussianNoise: ([MAPS], "stddev: 0.5"),
    Cutout: ([MAPS], "hole_size: 3"),
    Mixup: ([MAPS, CODES], "alpha: 1"),
}


def run(layer, phase=0, more="", tensors=False):
    bottoms, param_str = LAYERS[layer]
    if tensors:
        torch = pytest.importorskip("torch")
        bottoms = [torch.from_numpy(x) for x in bottoms]
    param_str = "\n".join(filter(None, [param_str, more]))
    return LayerRun(layer, bottoms, param_str=param_str, tops=len(bottoms), phase=phase, dtype=np.float32)


def forward(layer, **options):
    return [np.asarray(top).copy() for top in run(layer, **options).forward()]


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_seed_repeats(layer, tensors):
    one, two = (forward(layer, more="seed: 3", tensors=tensors) for _ in range(2))
    other = forward(layer, more="seed: 4", tensors=tensors)
    for a, b, c in zip(one, two, other):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    np.random.seed(5)
    one = forward(layer)
    np.random.seed(5)
    np.testing.assert_array_equal(forward(layer)[0], one[0])
    assert not np.array_equal(forward(layer)[0], one[0])


@pytest.mark.parametrize("layer", LAYERS)
def test_each_forward_draws_anew(layer):
    drawn = run(layer)
    assert not np.array_equal(drawn.forward()[0].copy(), drawn.forward()[0])


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
def test_nothing_is_done_in_a_test(layer, tensors):
    for top, bottom in zip(forward(layer, phase=1, tensors=tensors), LAYERS[layer][0]):
        np.testing.assert_array_equal(top, bottom)


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("layer", [*LAYERS, "multiplied"])
def test_gradient_of_what_was_drawn(layer, tensors):
    """All five are linear in x for what they draw: <d_y, y(x) - y(0)> = <d_x, x>."""
    more = "seed: 3"
    if layer == "multiplied":
        layer, more = GaussianNoise, "seed: 3\nmultiply: true"
    drawn, zero = run(layer, more=more, tensors=tensors), run(layer, more=more, tensors=tensors)
    for blob in zero.bottom:
        blob.data[...] = 0
    diffs = [np.random.RandomState(1).standard_normal(blob.shape).astype(np.float32) for blob in drawn.bottom]
    tops = [np.asarray(top).astype(float) for top in drawn.forward()]
    of_zero = [np.asarray(top).astype(float) for top in zero.forward()]
    given = diffs
    if tensors:
        given = [pytest.importorskip("torch").from_numpy(d) for d in diffs]
    for top, start, d, d_x, x in zip(tops, of_zero, diffs, drawn.backward(given), LAYERS[layer][0]):
        np.testing.assert_allclose((d * (top - start)).sum(), (np.asarray(d_x).astype(float) * x).sum(), rtol=1e-4)


def test_alpha_dropout_as_torch_has_it():
    """Of a constant both make the same two values; of a normal one the mean and the variance stay."""
    functional = pytest.importorskip("torch").nn.functional
    torch = pytest.importorskip("torch")
    one = functional.alpha_dropout(torch.full((400,), 0.7, dtype=torch.float64), 0.3, True)
    ours = LayerRun(AlphaDropout, [np.full((400,), 0.7)], param_str="{dropout_ratio: 0.3}").forward()[0]
    expected = np.unique(one.numpy().round(10))
    assert len(expected) == 2
    np.testing.assert_allclose(np.unique(ours.round(10)), expected, atol=1e-7)
    y = LayerRun(AlphaDropout, [rng.standard_normal(40000)], param_str="{dropout_ratio: 0.3, seed: 1}").forward()[0]
    assert y.mean() == pytest.approx(0, abs=0.02)
    assert y.var() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("layer", "axes"), [(SpatialDropout, (2, 3)), (DropPath, (1, 2, 3))])
def test_what_is_dropped_together(layer, axes):
    y = LayerRun(layer, [np.ones((500, 5, 2, 3))], param_str="{dropout_ratio: 0.3, seed: 1}").forward()[0]
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7])
    assert (y.max(axes) == y.min(axes)).all()
    assert abs((y == 0).mean() - 0.3) < 0.05


def test_not_scaled():
    y = LayerRun(DropPath, [np.ones((50, 2))], param_str="{dropout_ratio: 0.3, scale_train: false}").forward()[0]
    assert np.unique(y).tolist() == [0, 1]


@pytest.mark.parametrize("tensors", [False, True])
def test_gaussian(tensors):
    drawn = run(GaussianNoise, more="seed: 3", tensors=tensors)
    noise = np.asarray(drawn.forward()[0]) - MAPS
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 0.5) < 0.01


def test_holes():
    y = LayerRun(Cutout, [np.ones((300, 2, 9, 9))], param_str="{hole_size: 3, fill_value: 7, seed: 1}").forward()[0]
    np.testing.assert_array_equal(y[:, 0], y[:, 1])
    holes = y[:, 0] == 7
    rows, columns = holes.any(2), holes.any(1)
    np.testing.assert_array_equal(holes, rows[:, :, None] & columns[:, None, :])  # rectangles
    assert set(rows.sum(1)) == set(columns.sum(1)) == {2, 3}  # cut off at the border
    assert abs(holes.mean() - 9 / 81) < 0.02


def test_mixed_labels_follow_the_data():
    data = np.arange(40.0)[:, None]
    run = LayerRun(Mixup, [data, np.eye(40)], tops=2, param_str="{alpha: 1, per_sample: true, seed: 1}")
    mixed, labels = run.forward()
    np.testing.assert_allclose(labels.sum(1), 1)
    np.testing.assert_allclose(labels @ data, mixed)
    assert (np.count_nonzero(labels, axis=1) <= 2).all()
    assert len(np.unique(labels.max(1).round(6))) > 20


@pytest.mark.parametrize("alpha", [0.2, 1, 4])
def test_shares(alpha):
    run = LayerRun(Mixup, [np.eye(2000)], param_str=f"{{alpha: {alpha}, per_sample: true, seed: 1}}")
    shares = np.diagonal(run.forward()[0])
    shares = shares[shares < 1]
    assert abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.01  # of the Beta distribution


@pytest.mark.parametrize(
    ("layer", "shapes", "param_str", "tops", "message"),
    [
        (SpatialDropout, [(4,)], "", 1, r"bottom\[0\] must have at least 2 axes, got shape \(4,\)"),
        (Cutout, [(4, 3)], "hole_size: 2", 1, r"bottom\[0\] \(images\) must have shape \(N, C, H, W\), got \(4, 3\)"),
        (Mixup, [(4, 3), (3, 4)], "", 2, r"bottom\[1\] \(labels\) must have the first size of .* got \(3, 4\)"),
        (Mixup, [(4, 3), (4, 3)], "", 1, r"needs 2 tops \(data, labels\), got 1"),
    ],
)
def test_refused(layer, shapes, param_str, tops, message):
    with pytest.raises(ValueError, match=f"^{layer.__name__}: {message}"):
        LayerRun(layer, [np.zeros(shape) for shape in shapes], param_str=param_str, tops=tops)

"""Weights from label maps beside scikit-learn's class weights, and U-Net's formula by SciPy's distances."""

import json

import numpy as np
import pytest

from caffe_pylayers.pixel_weights import BoundaryWeights, ClassBalancedWeights
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
EFFECTIVE = 1 / np.array([1, 1.5, 1.75])  # 1 + 1/2 + 1/4 ..., as many terms as labels
LABELS = rng.choice(4, (3, 1, 6, 7), p=[0.6, 0.25, 0.1, 0.05])


def run(cls, *bottoms, **parameters):
    return LayerRun(cls, bottoms, param_str=json.dumps(parameters))


def by_class(weights, labels, classes):
    """The one weight that each class has."""
    found = [np.unique(weights[labels == c]) for c in classes]
    assert all(len(x) == 1 for x in found)
    return np.concatenate(found)


def test_inverse_is_balanced_of_scikit_learn():
    class_weight = pytest.importorskip("sklearn.utils.class_weight")
    labels = LABELS + (LABELS == 2)  # class 2 does not occur
    wanted = class_weight.compute_sample_weight("balanced", labels.ravel())
    weights = run(ClassBalancedWeights, labels, num_classes=4).forward()[0]
    np.testing.assert_allclose(weights.ravel(), wanted, rtol=1e-12)


def test_ignored_labels_are_as_if_they_were_not_there():
    class_weight = pytest.importorskip("sklearn.utils.class_weight")
    kept = LABELS != 1
    weights = run(ClassBalancedWeights, LABELS, num_classes=4, ignore_label=1).forward()[0]
    np.testing.assert_allclose(weights[kept], class_weight.compute_sample_weight("balanced", LABELS[kept]))
    np.testing.assert_array_equal(weights[~kept], 0)


def test_median_counts_the_images_that_have_a_class():
    labels = np.array([[[0, 0, 0, 1]], [[0, 0, 2, 2]], [[0, 1, 1, 1]]])
    shares = np.array([6 / 12, 4 / 8, 2 / 4]) * [1, 1, 1]
    layer = run(ClassBalancedWeights, labels, num_classes=3, scheme="median")
    np.testing.assert_allclose(by_class(layer.forward()[0][:, 0], labels, range(3)), np.median(shares) / shares)
    labels[1, 0, 0] = 1
    shares = np.array([5 / 12, 5 / 12, 2 / 4])
    layer = run(ClassBalancedWeights, labels, num_classes=3, scheme="median")
    np.testing.assert_allclose(by_class(layer.forward()[0][:, 0], labels, range(3)), np.median(shares) / shares)


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({"scheme": "inverse", "counts": [6, 3, 1]}, [10 / 18, 10 / 9, 10 / 3]),
        ({"scheme": "inverse", "counts": [6, 3, 1], "max_weight": 2}, [10 / 18, 10 / 9, 2]),
        ({"scheme": "median", "counts": [0.6, 0.3, 0.1]}, [0.5, 1, 3]),
        ({"scheme": "log", "counts": [6, 3, 1]}, [1 / np.log(1.62), 1 / np.log(1.32), 1 / np.log(1.12)]),
        ({"scheme": "effective", "beta": 0, "counts": [6, 3, 1]}, [1, 1, 1]),
        ({"scheme": "effective", "beta": 0.5, "counts": [1, 2, 3]}, 3 * EFFECTIVE / EFFECTIVE.sum()),
    ],
)
def test_schemes_by_hand(parameters, wanted):
    weights = run(ClassBalancedWeights, [0, 1, 2], num_classes=3, **parameters).forward()[0]
    np.testing.assert_allclose(weights, wanted)


def test_tops_fit_as_weights_of_a_loss():
    for shape, wanted in [((3, 6, 7), (3, 1, 6, 7)), ((3, 1, 6, 7), (3, 1, 6, 7)), ((5,), (5,)), ((5, 1), (5, 1))]:
        assert run(ClassBalancedWeights, np.zeros(shape), num_classes=2).top[0].data.shape == wanted


CELLS = np.zeros((60, 70), int)
for _number, (_y, _x, _r) in enumerate([(10, 10, 6), (12, 26, 7), (30, 20, 9), (45, 50, 12), (20, 55, 5)], 1):
    _rows, _columns = np.ogrid[:60, :70]
    CELLS[(_rows - _y) ** 2 + (_columns - _x) ** 2 <= _r**2] = _number


def unet_weights(labels, w0, sigma, everywhere):
    """The formula of the paper, a distance transform for each cell."""
    ndimage = pytest.importorskip("scipy.ndimage")
    distances = np.sort([ndimage.distance_transform_edt(labels != c) for c in np.unique(labels[labels > 0])], axis=0)
    boundary = w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    return 1 + boundary * (everywhere or labels == 0)


@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("sigma", [1.5, 5, 20])
@pytest.mark.parametrize("numbered", [True, False])
def test_boundary_is_the_formula(numbered, sigma, everywhere):
    labels = CELLS if numbered else (CELLS > 0)
    wanted = unet_weights(CELLS, 10, sigma, everywhere)
    other = np.zeros_like(CELLS)  # another image of the batch, without cells
    layer = run(BoundaryWeights, np.stack([labels, other, labels])[:, None], sigma=sigma, everywhere=everywhere)
    weights = layer.forward()[0]
    np.testing.assert_allclose(weights[0, 0], wanted, atol=1e-7, rtol=0)
    np.testing.assert_array_equal(weights[2], weights[0])
    np.testing.assert_array_equal(weights[1], 1)
    assert weights.max() > 1.5


def test_objects_that_touch():
    labels = np.array([[[1, 1, 2, 2, 0, 1]]])
    weights = run(BoundaryWeights, labels, sigma=1, everywhere=True, objects="labels").forward()[0]
    d = np.array([2, 1, 1, 2, 1 + 1, 2])  # d1 = 0 on objects; the last cell is of label 1
    np.testing.assert_allclose(weights[0, 0, 0], 1 + 10 * np.exp(-(d**2) / 2))
    three = run(BoundaryWeights, labels, sigma=1, everywhere=True).forward()[0]
    np.testing.assert_allclose(three[0, 0, 0, 5], 1 + 10 * np.exp(-(2**2) / 2))


def test_connectivity():
    labels = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 0]]])
    np.testing.assert_array_equal(run(BoundaryWeights, labels).forward()[0], 1)  # one object
    assert run(BoundaryWeights, labels, connectivity=4).forward()[0].max() > 5


def test_class_weights_are_added_and_the_ignored_is_zero():
    labels = CELLS.copy()
    labels[:, :5] = 255
    base = rng.rand(1, 1, 60, 70)
    layer = run(BoundaryWeights, labels[None, None], base, ignore_label=255)
    weights = layer.forward()[0]
    wanted = base[0, 0] + unet_weights(np.where(labels == 255, 0, labels), 10, 5, False) - 1
    np.testing.assert_allclose(weights[0, 0, :, 5:], wanted[:, 5:], atol=1e-7)
    np.testing.assert_array_equal(weights[0, 0, :, :5], 0)
    d_labels, d_base = layer.backward([np.full(base.shape, 3.7)])
    np.testing.assert_array_equal(d_labels, 0)
    np.testing.assert_array_equal(d_base[..., 5:], 3.7)
    np.testing.assert_array_equal(d_base[..., :5], 0)


@pytest.mark.parametrize(
    ("cls", "shapes", "parameters", "message"),
    [
        (BoundaryWeights, [(4,)], {}, r"bottom\[0\] \(labels\) must have shape \(N, 1, H, W\), got \(4,\)"),
        (BoundaryWeights, [(1, 2, 4, 4)], {}, r"must have shape \(N, 1, H, W\), got \(1, 2, 4, 4\)"),
        (
            BoundaryWeights,
            [(1, 1, 4, 4), (1, 4)],
            {},
            r"\(class_weights\) must have shape .*, got \(1, 4\)",
        ),
        (ClassBalancedWeights, [(4,)], {}, "parameter num_classes is required"),
        (
            ClassBalancedWeights,
            [(4,)],
            {"num_classes": 2, "counts": [1]},
            "must have num_classes numbers, 2, got 1",
        ),
        (ClassBalancedWeights, [(4,)], {"num_classes": 2, "beta": 1}, "beta must be below 1"),
    ],
)
def test_refused(cls, shapes, parameters, message):
    with pytest.raises(ValueError, match=rf"^{cls.__name__}: .*{message}"):
        run(cls, *map(np.zeros, shapes), **parameters)


def test_refused_label():
    with pytest.raises(ValueError, match=r"^ClassBalancedWeights: label 2 at index 1 is outside \[0, 2\)"):
        run(ClassBalancedWeights, [0, 2], num_classes=2).forward()

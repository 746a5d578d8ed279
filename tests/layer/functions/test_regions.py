"""Regions and distances beside SciPy's, on random and on winding maps."""

import numpy as np
import pytest

from caffe_pylayers._layer.functions.regions import connected_regions, nearest_two, numbered_labels, squared_distances

rng = np.random.RandomState(5)


def spiral(size):
    """A line of ones that winds to the middle."""
    mask, y, x, dy, dx = np.zeros((size, size), int), 0, 0, 0, 1
    for _ in range(size * size):
        mask[y, x] = 1
        ahead = y + 2 * dy, x + 2 * dx
        if not all(0 <= i < size for i in (y + dy, x + dx)) or (all(0 <= i < size for i in ahead) and mask[ahead]):
            dy, dx = dx, -dy
            if mask[y + dy, x + dx]:
                break
        y, x = y + dy, x + dx
    return mask


MAPS = {
    "few": rng.rand(3, 20, 30) < 0.3,
    "many": rng.rand(3, 20, 30) < 0.6,
    "spiral": spiral(31)[None],
    "spiral's ground": 1 - spiral(31)[None],
    "combs": np.stack([(np.arange(21) % 2)[None] | (np.arange(30) == 29)[:, None]] * 2),
    "full": np.ones((1, 3, 4)),
    "none": np.zeros((2, 3, 4)),
    "a row": rng.rand(2, 1, 40) < 0.5,
    "a column": rng.rand(2, 40, 1) < 0.5,
}


@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("name", MAPS)
def test_regions_are_those_of_scipy(name, diagonal):
    ndimage = pytest.importorskip("scipy.ndimage")
    maps, last = MAPS[name], 0
    found = connected_regions(maps, diagonal=diagonal)
    for image, numbers in zip(maps, found):
        wanted, count = ndimage.label(image, np.ones((3, 3)) if diagonal else None)
        np.testing.assert_array_equal(numbers, np.where(wanted, wanted + last, 0))
        last += count


def test_regions_are_of_one_label():
    labels = np.array([[[1, 1, 2], [0, 2, 2], [3, 0, 0]]])
    np.testing.assert_array_equal(connected_regions(labels), [[[1, 1, 2], [0, 2, 2], [3, 0, 0]]])
    np.testing.assert_array_equal(connected_regions(labels, background=2), [[[1, 1, 0], [2, 0, 0], [3, 2, 2]]])


def test_numbers_of_labels_go_through_the_batch():
    np.testing.assert_array_equal(numbered_labels(np.array([[[7, 0, 3]], [[3, 3, 9]]])), [[[2, 0, 1]], [[3, 3, 4]]])


@pytest.mark.parametrize("reach", [np.inf, 3.5])
@pytest.mark.parametrize("density", [0.003, 0.05, 0.5])
def test_distances_are_those_of_scipy(density, reach):
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = rng.rand(50, 80) < density
    mask[7, 9] = True
    wanted = ndimage.distance_transform_edt(~mask)
    found = np.sqrt(squared_distances(mask, reach))
    np.testing.assert_allclose(found, np.where(wanted <= reach, wanted, np.inf), rtol=1e-15)


def test_nearest_two_regions():
    ndimage = pytest.importorskip("scipy.ndimage")
    regions = connected_regions(rng.rand(2, 30, 40) < 0.1)
    found = nearest_two(regions)
    for i in range(2):
        numbers = np.unique(regions[i][regions[i] > 0])
        wanted = np.sort([ndimage.distance_transform_edt(regions[i] != n) for n in numbers], axis=0)[:2]
        np.testing.assert_allclose(found[:, i], wanted, rtol=1e-15)


def test_one_region_has_no_second():
    near, second = nearest_two(np.array([[[0, 1, 1, 0]]]))
    np.testing.assert_array_equal(near, [[[1, 0, 0, 1]]])
    assert np.isinf(second).all()

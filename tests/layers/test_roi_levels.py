"""ROIsToLevels: the levels of known sizes, the way back, and what it refuses."""

import numpy as np
import pytest

from caffe_pylayers.roi_levels import ROIsToLevels, ScaleRoute
from caffe_pylayers.testing import LayerRun


def square(size, image=0):
    return [image, 3, 5, 3 + size - 1, 5 + size - 1]


@pytest.mark.parametrize(
    ("size", "level"), [(1, 2), (111, 2), (112, 3), (223, 3), (224, 4), (447, 4), (448, 5), (896, 5), (5000, 5)]
)
def test_the_level_of_a_size(size, level):
    run = LayerRun(ROIsToLevels, [[square(size)]], tops=5, param_str="pad_empty: false")
    assert [len(top) for top in run.forward()[:4]] == [int(k == level) for k in range(2, 6)]


@pytest.mark.parametrize("pad", ["true", "false"])
def test_order_restores(pad):
    rois = [square(size, image) for image, size in enumerate((600, 20, 500, 230, 30, 25))]
    *levels, order = LayerRun(ROIsToLevels, [rois], tops=5, param_str=f"pad_empty: {pad}").forward()
    assert [len(level) for level in levels] == [3, 1 if pad == "true" else 0, 1, 2]
    np.testing.assert_array_equal(np.concatenate(levels)[order.astype(int)], rois)


def test_a_width_alone_goes_by_the_area():
    rois = [[0, 0, 0, 447, 111]]  # the area of 224 x 224
    run = LayerRun(ROIsToLevels, [rois], tops=5, param_str="pad_empty: false")
    assert [len(top) for top in run.forward()[:4]] == [0, 0, 1, 0]


def test_refused():
    with pytest.raises(ValueError, match=r"^ROIsToLevels: bottom\[0\] \(rois\) must have shape \(R, 5\), got \(2, 4\)"):
        LayerRun(ROIsToLevels, [np.zeros((2, 4))], tops=3)
    with pytest.raises(ValueError, match=r"^ROIsToLevels: needs 2 or more tops .*, got 1"):
        LayerRun(ROIsToLevels, [np.zeros((2, 5))])
    with pytest.raises(ValueError, match=r"^ROIsToLevels: .* must be finite, got nan at index \(0, 3\)"):
        LayerRun(ROIsToLevels, [[[0, 0, 0, np.nan, 9]]], tops=3).forward()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("{}", [0, 1, 2, 3]),
        ("{low_scale: 20}", [1, 2]),
        ("{low_scale: 10, high_scale: 40}", [0, 1]),
        ("{high_scale: 10}", [3]),
        ("{low_scale: 50}", [2]),  # none: the nearest
        ("{low_scale: 14, high_scale: 15}", [1]),
    ],
)
def test_rois_of_a_scale(text, kept):
    rois = np.array([[0, 0, 0, 9, 9], [1, 0, 0, 19, 19], [0, 5, 5, 44, 44], [0, 9, 9, 5, 5]], float)  # 10, 20, 40, 0
    more = np.arange(8.0).reshape(4, 2, 1)
    found = LayerRun(ScaleRoute, [rois, more], param_str=text, tops=2).forward()
    np.testing.assert_array_equal(found[0], rois[kept])
    np.testing.assert_array_equal(found[1], more[kept])

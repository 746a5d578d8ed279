"""check_gradient finds wrong gradients, and only those."""

import numpy as np
import pytest

from caffe_pylayers.testing import GradientError, check_gradient
from tests.testing import faulty

BOTTOM = np.random.RandomState(0).standard_normal((3, 4))


@pytest.mark.parametrize("exhaustive", [False, True])
def test_right_gradient(exhaustive):
    check_gradient(faulty.Squares, [BOTTOM], exhaustive=exhaustive)


@pytest.mark.parametrize("exhaustive", [False, True])
@pytest.mark.parametrize(
    ("layer", "blob"),
    [
        (faulty.WrongFactor, "bottom"),
        (faulty.WrongInOnePlace, "bottom"),
        (faulty.IgnoresTopDiff, "bottom"),
        (faulty.WrongLearnedGradient, "blobs"),
    ],
)
def test_wrong_gradient(layer, blob, exhaustive):
    with pytest.raises(GradientError, match=rf"^{layer.__name__}: gradient of {blob}\[0\]"):
        check_gradient(layer, [BOTTOM], exhaustive=exhaustive)


def test_exhaustive_names_the_place_and_both_numbers():
    with pytest.raises(GradientError, match=r"at \(1, 2\): backward gives 0, forward's difference -?\d"):
        check_gradient(faulty.WrongInOnePlace, [BOTTOM], exhaustive=True)


@pytest.mark.parametrize("exhaustive", [False, True])
def test_corners_are_left_out(exhaustive):
    bottom = np.array([[1.0, 0.0, -2.0, 1e-7]])
    check_gradient(faulty.Absolute, [bottom], kink_range=1e-3, exhaustive=exhaustive)
    with pytest.raises(GradientError):
        check_gradient(faulty.Absolute, [bottom], exhaustive=exhaustive)


def test_integers_are_not_varied():
    class OfTwo(faulty.Squares):
        def backward(self, top, propagate_down, bottom):
            super().backward(top, propagate_down, bottom)
            bottom[1].diff[...] = 5  # wrong

    check_gradient(OfTwo, [BOTTOM, np.arange(3)])
    with pytest.raises(GradientError, match=r"gradient of bottom\[1\]"):
        check_gradient(OfTwo, [BOTTOM, np.arange(3.0)])


def test_wrt_chooses_the_bottoms():
    check_gradient(faulty.WrongFactor, [BOTTOM], wrt=[])


def test_learned_chooses_the_learned_blobs():
    check_gradient(faulty.WrongLearnedGradient, [BOTTOM], learned=[])
    with pytest.raises(GradientError, match=r"gradient of blobs\[0\]"):
        check_gradient(faulty.WrongLearnedGradient, [BOTTOM], learned=[0])


def test_float32():
    check_gradient(faulty.Squares, [BOTTOM], dtype=np.float32, step=1e-2, rtol=1e-2, atol=1e-3)

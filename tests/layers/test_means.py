"""Means learned from batches, those of a caffemodel of another size, and what is cut out of the middle."""

import numpy as np
import pytest

from caffe_pylayers.means import AddMean, SubtractRunningMean
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(10)


@pytest.mark.parametrize("per_pixel", [True, False])
def test_the_mean_of_the_first_batches(per_pixel):
    batches = rng.standard_normal((4, 2, 3, 4, 5))
    run = LayerRun(
        SubtractRunningMean, [batches[0]], param_str=f"{{iterations: 3, mean_per_pixel: {str(per_pixel).lower()}}}"
    )
    for k, batch in enumerate(batches):
        run.bottom[0].data[...] = batch
        mean = batches[: min(k + 1, 3)].mean((0, 1))
        expected = mean if per_pixel else mean.mean((1, 2), keepdims=True)
        np.testing.assert_allclose(run.forward()[0], batch - expected, rtol=1e-12, atol=1e-14)
    blobs = [run.layer.blobs[i].data for i in range(3)]
    assert blobs[0].tolist() == [[[[4]]]]
    np.testing.assert_allclose(blobs[1][0], mean, rtol=1e-12)
    np.testing.assert_allclose(blobs[2].ravel(), mean.mean((1, 2)), rtol=1e-12)


def test_a_mean_that_is_given():
    run = LayerRun(SubtractRunningMean, [np.full((1, 3, 1, 1), 200.0)], param_str="{mean: [104, 117, 123]}")
    assert run.forward()[0].ravel().tolist() == [96, 83, 77]


@pytest.mark.parametrize(("text", "expected"), [("", 2.5), (", mean_per_pixel: false", 7)])
def test_a_mean_of_another_size(text, expected):
    """flownet2 takes the mean of the mean, or that of the channel where no pixel has its own."""
    run = LayerRun(
        SubtractRunningMean, [np.zeros((1, 1, 3, 3))], param_str=f"{{iterations: 1, mean_size: [2, 2]{text}}}"
    )
    run.layer.blobs[0].data[...] = 5
    run.layer.blobs[1].data[...] = [[[[1, 2], [3, 4]]]]
    run.layer.blobs[2].data[...] = 7
    assert (run.forward()[0] == -expected).all()


def test_the_middle():
    """The last place of an axis of n is n - 1.05, as flownet2 reads it."""
    maps = np.arange(12.0).reshape(1, 1, 2, 6)
    cut = LayerRun(SubtractRunningMean, [maps], param_str="{size: [1, 4]}").forward()[0]
    assert cut.ravel() == pytest.approx([4, 5, 6, 7])  # between the rows
    whole = LayerRun(SubtractRunningMean, [maps], param_str="{size: [2, 6]}").forward()[0]
    assert whole[0, 0, 0] == pytest.approx([0, 1, 2, 3, 4, 4.95])


@pytest.mark.parametrize(
    ("cls", "shape", "text", "message"),
    [
        (SubtractRunningMean, (2, 3), "{}", r"bottom\[0\] \(x\) must have the shape \(N, C, H, W\)"),
        (
            SubtractRunningMean,
            (1, 3, 2, 2),
            "{size: [3, 2]}",
            r"has no middle of \(3, 2\)",
        ),
        (SubtractRunningMean, (1, 3, 2, 2), "{mean: [1, 2]}", "has 3 channels, and there are 2 means"),
        (SubtractRunningMean, (1, 1, 2, 2), "{mean: [1], iterations: 2}", "takes iterations or mean, not both"),
        (AddMean, (1, 3), "{mean: [1, 2]}", r"needs a multiple of 2 channels"),
    ],
)
def test_what_is_refused(cls, shape, text, message):
    with pytest.raises(ValueError, match=f"^{cls.__name__}: .*{message}"):
        LayerRun(cls, [np.zeros(shape)], param_str=text).forward()

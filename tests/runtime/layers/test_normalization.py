"""BatchNorm, MVN and LRN: their refusals, and BatchNorm's statistics over several batches."""

import numpy as np
import pytest

from caffe_pylayers.runtime.layers.layer import LayerError
from tests.runtime.layers.one_layer import TEST, one_layer


@pytest.mark.parametrize(
    ("kind", "param", "shape", "message"),
    [
        ("BatchNorm", "", (3,), r"bottom\[0\] must have shape \(N, C, ...\), got \(3,\)"),
        ("BatchNorm", "param { lr_mult: 1 }", (3, 2), r"blobs\[0\] holds statistics: its lr_mult must be 0, got 1"),
        ("MVN", "", (1, 2, 3, 4, 5), r"bottom\[0\] must have up to 4 axes, got shape \(1, 2, 3, 4, 5\)"),
        ("LRN", "", (2, 3, 4), r"bottom\[0\] must have shape \(N, C, H, W\), got \(2, 3, 4\)"),
        ("LRN", "lrn_param { local_size: 4 }", (2, 3, 4, 5), "local_size must be odd, got 4"),
    ],
)
def test_refused(kind, param, shape, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\({kind}\\): {message}$'):
        one_layer(kind, param, shape)


def test_batch_norm_keeps_its_channels():
    layer, bottom, top = one_layer("BatchNorm", "", (4, 3, 2))
    bottom[0].reshape(4, 2, 2)
    with pytest.raises(LayerError, match=r"bottom\[0\] must have shape \(N, 3, ...\), got \(4, 2, 2\)"):
        layer.reshape(bottom, top)


def test_batch_norm_has_no_learning_rate():
    layer, _, _ = one_layer("BatchNorm", "param { lr_mult: 0 }", (4, 3))
    assert [spec.lr_mult for spec in layer.layer_param.param] == [0, 0, 0]


def test_batch_norm_statistics():
    """Running sums, and what the TEST phase makes of them; a batch of one value in between."""
    fraction = 0.9
    layer, bottom, top = one_layer("BatchNorm", f"batch_norm_param {{ moving_average_fraction: {fraction} }}", (4, 2))
    mean, variance, divisor = np.zeros(2), np.zeros(2), 0.0
    for i, batch in enumerate((4, 1, 7)):
        x = 2 * np.random.RandomState(i).standard_normal((batch, 2)) + 1
        bottom[0].reshape(batch, 2)
        bottom[0].data[...] = x
        layer.reshape(bottom, top)
        layer.forward(bottom, top)
        mean = fraction * mean + x.mean(axis=0)
        variance = fraction * variance + (x.var(axis=0, ddof=1) if batch > 1 else 0)
        divisor = fraction * divisor + 1
    for blob, wanted in zip(layer.blobs, (mean, variance, [divisor])):
        np.testing.assert_allclose(blob.data, wanted, rtol=1e-5)
    test, bottom, top = one_layer("BatchNorm", "", (5, 2), phase=TEST)
    for blob, source in zip(test.blobs, layer.blobs):
        blob.share_data(source)
    bottom[0].data[...] = x[:5]
    test.forward(bottom, top)
    wanted = (x[:5] - mean / divisor) / np.sqrt(variance / divisor + 1e-5)
    np.testing.assert_allclose(top[0].data, wanted, rtol=1e-4, atol=1e-5)

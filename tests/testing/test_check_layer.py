"""check_layer finds every breach of Caffe's contract, and runs layers in a net."""

import numpy as np
import pytest

from caffe_pylayers import Layer, Parameter
from caffe_pylayers.testing import check_layer, layer_net
from caffe_pylayers.testing._contract import _check_batch_size, _check_writes
from tests.testing import faulty

BOTTOM = np.random.RandomState(0).standard_normal((3, 4))
CHECKS = {"writes": _check_writes, "batch": _check_batch_size}


class Scaled(Layer):
    """top = factor * bottom[0] + learned offset."""

    factor = Parameter(float, 2.0, doc="the factor")

    def setup(self, bottom, top):
        self.blobs.add_blob(1)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data + self.blobs[0].data[0]

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] += top[0].diff.sum()
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * top[0].diff


class WrongInANet(Scaled):
    """Right in float64, wrong in float32."""

    def forward(self, bottom, top):
        super().forward(bottom, top)
        if bottom[0].data.dtype == np.float32:
            top[0].data[...] += 1


@pytest.mark.parametrize(
    ("check", "layer", "message"),
    [
        ("writes", faulty.IgnoresPropagateDown, r"writes bottom\[0\].diff though propagate_down is \[False\]"),
        ("writes", faulty.LeavesDiffStale, r"leaves values of bottom\[0\].diff stale"),
        ("writes", faulty.LeavesTopUnwritten, r"leaves values of top\[0\] unwritten"),
        ("writes", faulty.ModifiesBottom, r"bottom\[0\].data was modified"),
        ("writes", faulty.RemembersTheCall, r"a second forward gives another top\[0\]"),
        ("writes", faulty.ReplacesLearnedGradient, r"must add to blobs\[0\].diff"),
        ("batch", faulty.RemembersTheBatchSize, "wrong after the batch size changed from 3 to 4"),
    ],
)
def test_breaches(check, layer, message):
    options = {"param_str": "", "tops": 1, "phase": 0, "dtype": np.float64}
    CHECKS[check](faulty.Squares, [BOTTOM], np.random.RandomState(1), options)
    with pytest.raises(AssertionError, match=message):
        CHECKS[check](layer, [BOTTOM], np.random.RandomState(1), options)


def test_a_right_layer():
    check_layer(Scaled, [BOTTOM], param_str="factor: -3")


def test_a_wrong_gradient():
    with pytest.raises(AssertionError, match="WrongFactor: gradient of bottom"):
        check_layer(faulty.WrongFactor, [BOTTOM])


@pytest.mark.caffe
def test_a_layer_that_differs_in_a_net():
    with pytest.raises(AssertionError, match=r"WrongInANet: top\[0\] differs between a net and float64"):
        check_layer(WrongInANet, [BOTTOM])


@pytest.mark.caffe
def test_layer_net_has_the_loss_weight():
    net = layer_net("caffe_pylayers.pyloss.EuclideanLossLayer", [(2, 3), (2, 3)], loss_weight=3.7)
    net.blobs["bottom0"].data[...], net.blobs["bottom1"].data[...] = 1, 0
    assert float(net.forward()["top0"]) == 1.5
    net.backward()
    np.testing.assert_allclose(net.blobs["bottom0"].diff, 3.7 / 2, rtol=1e-6)

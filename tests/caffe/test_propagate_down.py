"""Which gradients Caffe asks of the two layers, and what they answer."""

import numpy as np
import pytest

from caffe_pylayers.one_hot import label2one_hot

pytestmark = pytest.mark.caffe

NET = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 4 dim: 6 } shape { dim: 4 } } }
layer { name: "ip2" type: "InnerProduct" bottom: "data" top: "ip2"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "one_hot" type: "Python" bottom: "label" bottom: "ip2" top: "codes"
        python_param { module: "tests.caffe.test_propagate_down" layer: "Recording" } }
layer { name: "loss" type: "Python" bottom: "ip2" bottom: "codes" top: "loss" loss_weight: 1
        python_param { module: "caffe_pylayers.pyloss" layer: "EuclideanLossLayer" } }
"""


class Recording(label2one_hot):
    """label2one_hot that keeps what it was asked, and finds garbage in its bottoms' diffs."""

    asked = None

    def backward(self, top, propagate_down, bottom):
        Recording.asked = list(propagate_down)
        bottom[1].diff[...] = 1e6
        super().backward(top, propagate_down, bottom)


def test_one_hot_is_asked_for_the_features_gradient_and_clears_it(make_net):
    net = make_net(NET)
    rng = np.random.RandomState(0)
    net.blobs["data"].data[...] = rng.standard_normal((4, 6))
    net.blobs["label"].data[...] = [0, 1, 2, 1]
    net.forward()
    net.backward()
    assert Recording.asked == [False, True]
    wanted = (net.blobs["ip2"].data - np.eye(3)[[0, 1, 2, 1]]) / 4
    np.testing.assert_allclose(net.blobs["ip2"].diff, wanted, rtol=1e-5)


def test_a_loss_without_a_weight_trains_nothing(make_net):
    net = make_net(NET.replace("loss_weight: 1", ""))
    Recording.asked = None
    net.forward()
    net.backward()
    assert Recording.asked is None
    np.testing.assert_array_equal(net.params["ip2"][0].diff, 0)

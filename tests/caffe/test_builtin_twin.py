"""EuclideanLossLayer beside Caffe's own EuclideanLoss on the same blobs."""

import numpy as np
import pytest

pytestmark = pytest.mark.caffe

NET = """
force_backward: true
layer {{ name: "in" type: "Input" top: "a" top: "b"
        input_param {{ shape {{ {dims} }} shape {{ {dims} }} }} }}
layer {{ name: "p" type: "Power" bottom: "a" top: "p" }}
layer {{ name: "t" type: "Power" bottom: "b" top: "t" }}
layer {{ name: "loss" bottom: "p" bottom: "t" top: "loss" loss_weight: {weight} {kind} }}
"""
BUILT_IN = 'type: "EuclideanLoss"'
PYTHON = 'type: "Python" python_param { module: "caffe_pylayers.pyloss" layer: "EuclideanLossLayer" }'


@pytest.mark.parametrize("weight", [1, 3.7, -0.5])
@pytest.mark.parametrize("shape", [(64, 10), (5, 3, 4, 2), (7,)])
def test_same_loss_and_gradients(make_net, shape, weight):
    rng = np.random.RandomState(1)
    values = rng.standard_normal((2, *shape))
    seen = []
    for kind in (BUILT_IN, PYTHON):
        dims = " ".join(f"dim: {n}" for n in shape)
        net = make_net(NET.format(dims=dims, weight=weight, kind=kind))
        net.blobs["a"].data[...], net.blobs["b"].data[...] = values
        loss = float(net.forward()["loss"])
        net.backward()
        seen.append((loss, net.blobs["p"].diff.copy(), net.blobs["t"].diff.copy(), net.blobs["a"].diff.copy()))
    (loss, *diffs), (our_loss, *our_diffs) = seen
    assert loss > 0.1
    np.testing.assert_allclose(our_loss, loss, rtol=1e-6)
    for ours, theirs in zip(our_diffs, diffs):
        assert np.abs(theirs).max() > 0
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_follows_the_batch_size(make_net):
    nets = [make_net(NET.format(dims="dim: 4 dim: 3", weight=2, kind=kind)) for kind in (BUILT_IN, PYTHON)]
    rng = np.random.RandomState(2)
    for batch in (4, 9, 2):
        a, b = rng.standard_normal((2, batch, 3))
        results = []
        for net in nets:
            net.blobs["a"].reshape(batch, 3)
            net.blobs["b"].reshape(batch, 3)
            net.blobs["a"].data[...], net.blobs["b"].data[...] = a, b
            loss = float(net.forward()["loss"])
            net.backward()
            results.append((loss, net.blobs["p"].diff.copy()))
        np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-6)
        np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-5)

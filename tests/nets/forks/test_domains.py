"""Xlearn's nets, read as they are."""

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe

NET = """
input: "data" input_shape { dim: 6 dim: 4 }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "softmax" type: "Softmax" bottom: "ip" top: "softmax" }
layer { name: "cut" type: "Slice" bottom: "ip" top: "source" top: "target"
  slice_param { axis: 0 } }
layer { name: "cut_softmax" type: "Slice" bottom: "softmax" top: "source_softmax" top: "target_softmax"
  slice_param { axis: 0 } }
layer { name: "mmd" type: "MMDLoss" bottom: "source" bottom: "target" top: "mmd"
  mmd_param { kernel_num: 5 kernel_mul: 2 fix_gamma: false } }
layer { name: "jmmd" type: "JMMDLoss" bottom: "source" bottom: "target" bottom: "source_softmax"
  bottom: "target_softmax" loss_weight: 0.3 top: "jmmd" jmmd_param { label_kernel_num: 1 sigma: 1.68 } }
layer { name: "grl" type: "GradientScaler" bottom: "target_softmax" top: "grl"
  gradient_scaler_param { alpha: 10 max_iter: 2000 } }
layer { name: "entropy" type: "EntropyLoss" bottom: "grl" top: "entropy" loss_weight: -0.1
  entropy_param { threshold: 0.001 iterations_num: 0 } }
"""


def test_an_outer_product(tmp_path):
    """Of features and predictions, as RTN takes it: a map of one channel."""
    text = "".join(
        f"input: '{name}' input_shape {{ dim: 2 dim: {n} }} " for name, n in (("features", 3), ("softmax", 2))
    )
    layer = "layer { name: 'outer' type: 'OuterProduct' bottom: 'features' bottom: 'softmax' top: 'outer' }"
    (tmp_path / "net.prototxt").write_text(text + layer)
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
    net.blobs["features"].data[...] = [[1, 2, 3], [4, 5, 6]]
    net.blobs["softmax"].data[...] = [[1, 0], [0.5, 2]]
    net.forward()
    assert net.blobs["outer"].data.tolist() == [[[[1, 0], [2, 0], [3, 0]]], [[[2, 8], [2.5, 10], [3, 12]]]]


def test_a_net_by_hand(tmp_path):
    """In each domain all samples are one, so that it does not matter which pairs are drawn."""
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    pycaffe.set_random_seed(3)
    net = pycaffe.Net(str(path), pycaffe.TRAIN)
    net.blobs["data"].data[...] = np.random.RandomState(0).standard_normal((2, 4)).repeat(3, 0)
    net.forward()
    features, predictions = (
        ((net.blobs[f"source{name}"].data[0] - net.blobs[f"target{name}"].data[0]) ** 2).sum()
        for name in ("", "_softmax")
    )
    # 1 over gamma: of 30 pairs of samples 18 differ, by the features.
    across = np.exp(-(2.0 ** np.arange(-2, 3)) * features / (features * 18 / 30)).sum()
    assert np.isclose(net.blobs["mmd"].data, 5 + 5 - 2 * across)
    assert np.isclose(net.blobs["jmmd"].data, 5 + 5 - 2 * across * np.exp(-predictions / 1.68))
    p = net.blobs["target_softmax"].data
    assert np.isclose(net.blobs["entropy"].data, -(p * np.log(p)).sum() / 3)
    net.backward()
    assert np.allclose(net.blobs["grl"].diff, 0.1 * (1 + np.log(p)) / 3)
    assert net.params["ip"][0].diff.any()
    assert [net.blob_loss_weights[name] for name in ("mmd", "jmmd", "entropy")] == [
        1,
        np.float32(0.3),
        np.float32(-0.1),
    ]

"""Xlearn's nets, read as they are."""

import numpy as np

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


def test_a_net_learns(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    pycaffe.set_random_seed(3)
    net = pycaffe.Net(str(path), pycaffe.TRAIN)
    net.blobs["data"].data[...] = np.random.RandomState(0).standard_normal((6, 4))
    net.forward()
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

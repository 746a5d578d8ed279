"""What a net is, where nothing but its wiring is asked."""

from caffe_pylayers import runtime

TWO_OF_A_NAME = """
layer { name: "in" type: "Input" top: "data" top: "label" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "x" param { lr_mult: 0 } param { lr_mult: 0 }
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "a" type: "Scale" bottom: "x" top: "y" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }
"""


def test_two_layers_of_one_name(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(TWO_OF_A_NAME)
    net = runtime.Net(path, runtime.TRAIN)
    net.blobs["data"].data[...] = 1
    net.clear_param_diffs()
    net.forward()
    net.backward()
    weight, bias, scale = net.learnable
    assert not weight.diff.any()
    assert not bias.diff.any()
    assert scale.diff.any()

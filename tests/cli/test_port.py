"""``caffe-pylayers port``: what it writes is a net of stock Caffe, on either engine."""

import numpy as np

from caffe_pylayers import _engine
from caffe_pylayers.cli import main

NET = """
name: "small"
input: "data" input_shape { dim: 1 dim: 4 dim: 6 dim: 6 }
layer { name: "conv" type: "ConvolutionDepthwise" bottom: "data" top: "conv" engine: "MKLDNN"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "norm" type: "Normalize" bottom: "conv" top: "norm"
  norm_param { channel_shared: false scale_filler { value: 20 } } }
layer { name: "target" type: "DummyData" top: "target" dummy_data_param { shape { dim: 1 dim: 4 dim: 4 dim: 4 } } }
layer { name: "loss" type: "SmoothL1Loss" bottom: "norm" bottom: "target" top: "loss" }
"""


def port(capsys, *args):
    code = main(["port", *map(str, args)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_net_and_its_weights(capsys, tmp_path):
    messages, caffe = _engine.messages(), _engine.caffe()
    fork, weights, output = (tmp_path / name for name in ("fork.prototxt", "fork.caffemodel", "ported.prototxt"))
    fork.write_text(NET)
    model = messages.NetParameter(name="small")
    layer = model.layer.add(name="norm", type="Normalize")
    layer.blobs.add(data=[1, 2, 3, 4]).shape.dim.append(4)
    layer.convolution_param.num_output = 7  # a fork's own field may have its number
    weights.write_bytes(model.SerializeToString())
    assert port(capsys, fork, weights, "-o", output) == (
        0,
        "conv (ConvolutionDepthwise): Convolution\n"
        "norm (Normalize): caffe_pylayers.ssd.Normalize\n"
        "loss (SmoothL1Loss): caffe_pylayers.regression.SmoothL1Loss\n"
        f"{output}: 3 of 5 layers were a fork's\n",
        "",
    )
    assert '# left out: engine\nlayer {\n  name: "conv"\n  type: "Convolution"\n' in output.read_text()
    net = caffe.Net(str(output), caffe.TRAIN, weights=str(tmp_path / "ported.caffemodel"))
    net.blobs["data"].data[...] = np.random.RandomState(0).rand(1, 4, 6, 6)
    net.forward()
    assert net.params["norm"][0].data.tolist() == [1, 2, 3, 4]
    assert net.blob_loss_weights["loss"] == 1
    assert float(net.blobs["loss"].data.reshape(-1)[0]) > 0
    (stored,) = messages.NetParameter.FromString((tmp_path / "ported.caffemodel").read_bytes()).layer
    assert not stored.HasField("convolution_param")


def test_all_that_cannot_be_ported_is_listed(capsys, tmp_path):
    fork, output = tmp_path / "fork.prototxt", tmp_path / "ported.prototxt"
    fork.write_text(
        "layer { name: 'a' type: 'Dropout' dropout_param { scale_train: false } }\n"
        "layer { name: 'b' type: 'Correlation' correlation_param { kernel_size: 1 } }\n"
        "layer { name: 'c' type: 'ROIPooling' roi_pooling_param { pooled_h: 2 pooled_w: 2 bi_type: 0 } }\n"
    )
    code, out, err = port(capsys, fork, "-o", output)
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert lines[0].endswith(f"{fork}: cannot be ported, and nothing is written:")
    assert sorted(line.split(":")[0] for line in lines[1:]) == [
        '  layer "a" (Dropout)',
        '  layer "b" (Correlation)',
        '  layer "c" (ROIPooling)',
    ]
    assert not output.exists()

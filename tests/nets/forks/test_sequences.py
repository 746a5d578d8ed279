"""Nets of text, sequences and video, as CTPN's, C3D's and others' Caffe has them."""

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from tests.nets.forks.lowered import computed_by

# --- C3D -----------------------------------------------------------------------------------------

INPUT = "input: 'data' input_shape { dim: 2 dim: 3 dim: 4 dim: 8 dim: 10 } "
FC = "layer { name: 'fc' type: 'InnerProduct' bottom: 'pool' top: 'fc' inner_product_param { num_output: 5 } }"
C3D = {
    "video-caffe": INPUT
    + """
layer { name: "conv" type: "NdConvolution" bottom: "data" top: "conv" convolution_param { num_output: 4 engine: CUDNN
  kernel_shape { dim: 3 dim: 3 dim: 3 } stride_shape { dim: 1 dim: 1 dim: 1 } pad_shape { dim: 1 dim: 1 dim: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "NdPooling" bottom: "conv" top: "pool" pooling_param { pool: MAX
  kernel_shape { dim: 1 dim: 2 dim: 2 } stride_shape { dim: 1 dim: 2 dim: 2 } } }
"""
    + FC,
    "C3D 1.0": INPUT
    + """
layers { name: "conv" type: CONVOLUTION3D bottom: "data" top: "conv" convolution_param {
  num_output: 4 kernel_size: 3 kernel_depth: 3 pad: 1 temporal_pad: 1 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING3D bottom: "conv" top: "pool" pooling_param {
  pool: MAX kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "pool" top: "fc" inner_product_param { num_output: 5 } }
""",
    "C3D 1.1": INPUT
    + """
layer { name: "conv" type: "Convolution3D" bottom: "data" top: "conv" convolution3d_param {
  num_output: 4 kernel_size: 3 kernel_depth: 3 pad: 1 temporal_pad: 1 filter_group: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling3D" bottom: "conv" top: "pool" pooling3d_param {
  pool: MAX kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 } }
"""
    + FC,
}


@pytest.mark.parametrize("fork", C3D)
def test_c3d(tmp_path, fork):
    torch = pytest.importorskip("torch")
    (tmp_path / "net.prototxt").write_text(f"force_backward: true {C3D[fork]}")
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
    rng = np.random.RandomState(0)
    assert [blob.data.shape for blob in net.params["conv"]] == [(4, 3, 3, 3, 3), (4,)]
    for blob in (net.blobs["data"], *net.params["conv"], *net.params["fc"]):
        blob.data[...] = rng.standard_normal(blob.data.shape)
    net.forward()
    assert net.blobs["pool"].data.shape == (2, 4, 4, 4, 5)
    x = torch.tensor(net.blobs["data"].data, requires_grad=True)
    learned = {name: [torch.tensor(blob.data) for blob in blobs] for name, blobs in net.params.items()}
    pooled = torch.nn.functional.max_pool3d(torch.conv3d(x, *learned["conv"], padding=1).relu(), (1, 2, 2))
    expected = torch.nn.functional.linear(pooled.flatten(1), *learned["fc"])
    assert net.blobs["fc"].data == pytest.approx(expected.detach().numpy(), rel=1e-4, abs=1e-3)
    d_fc = rng.standard_normal((2, 5)).astype(np.float32)
    net.blobs["fc"].diff[...] = d_fc
    net.backward()
    expected.backward(torch.tensor(d_fc))
    assert net.blobs["data"].diff == pytest.approx(x.grad.numpy(), rel=1e-4, abs=1e-3)


def test_a_video_pooled_as_a_whole():
    text = "pooling_param { pool: AVE global_pooling: true kernel_shape { dim: 1 dim: 1 dim: 1 } }"
    found = computed_by(f"type: 'NdPooling' {text}")
    assert found == ("nd_pooling.NdPooling", {"pool": "ave", "global_pooling": True})


# --- the table -----------------------------------------------------------------------------------

LEGACY = {"legacy_gradient": True}


@pytest.mark.parametrize(
    ("text", "layer", "parameters"),
    [
        (
            "type: 'CtcLoss' ctc_loss_param { blank_label: 10 alphabet_size: 11 time_step: 80 }",
            "ctc.CTCLoss",
            {"blank_label": 10, **LEGACY},
        ),
        (
            "type: 'CTCLoss' ctc_loss_param { output_delay: 2 loss_calculation_t: 3 }",
            "ctc.CTCLoss",
            {"blank_label": -1, "output_delay": 2, "merge_repeated": True, "collapse_labels": False, **LEGACY},
        ),
        (
            "type: 'WarpCTCLoss' bottom: 'x' bottom: 'labels'",
            "ctc.CTCLoss",
            {"blank_label": 0, "normalization": "valid", **LEGACY},
        ),
        (
            "type: 'WarpCTCLoss' bottom: 'x' bottom: 'cont' bottom: 'labels'",
            "ctc.CTCLoss",
            {"blank_label": 0, "label_offset": 1, "normalization": "valid", **LEGACY},
        ),
        (
            "type: 'WarpCTCLoss' bottom: 'x' bottom: 'c' bottom: 'labels' ctc_loss_param { blank_index: 5 }",
            "ctc.CTCLoss",
            {"blank_label": 5, "normalization": "valid", **LEGACY},
        ),
        (
            "type: 'CTCGreedyDecoder' bottom: 'x' top: 'labels'",
            "label_sequences.CTCGreedyDecoder",
            {"blank_label": 0, "merge_repeated": True},
        ),
        (
            "type: 'CTCGreedyDecoder' bottom: 'x' bottom: 'labels' top: 'accuracy'",
            "label_sequences.SequenceAccuracy",
            {"blank_label": 0, "merge_repeated": True, "measures": ["edit", "exact"]},
        ),
        (
            "type: 'CTCGreedyDecoder' bottom: 'x' bottom: 'c' bottom: 'y' top: 'a' top: 'b'",
            "label_sequences.CTCGreedyDecoder",
            {"blank_label": -1, "merge_repeated": True},
        ),
        (
            "type: 'LabelsequenceAccuracy' labelsequence_accuracy_param { blank_label: 10 }",
            "label_sequences.SequenceAccuracy",
            {"blank_label": 10, "time_axis": 1},
        ),
        (
            "type: 'Lstm' lstm_param { num_output: 128 clipping_threshold: 1 batch_size: 3 "
            "weight_filler { type: 'gaussian' std: 0.01 } bias_filler { type: 'constant' value: 0.5 } }",
            "recurrent.LSTM",
            {"num_output": 128, "clipping_threshold": 1, "filler": "gaussian", "filler_value": 0.01, "bias": 0.5}
            | {"batch_size": 3},
        ),
        (
            "type: 'SpatialTransformer' st_param { output_H: 28 theta_1_2: 0 theta_2_3: 0.5 to_compute_dU: false }",
            "spatial_transformer.SpatialTransformer",
            {"height": 28, "map_gradient": False, "fixed": {"1": 0, "5": 0.5}},
        ),
    ],
)
def test_layers(text, layer, parameters):
    assert computed_by(text) == (layer, parameters)

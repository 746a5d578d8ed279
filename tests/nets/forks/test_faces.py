"""What the layers of forks for faces and metric learning become."""

import numpy as np
import pytest

from tests.nets.forks.lowered import computed_by

IP = "type: 'InnerProduct' bottom: 'x' inner_product_param"


NORMFACE = """
input: "x" input_shape { dim: 4 dim: 3 }
input: "label" input_shape { dim: 4 }
layer { name: "norm" type: "Normalize" bottom: "x" top: "norm" }
layer { name: "weight" type: "Parameter" top: "weight"
  parameter_param { shape { dim: 5 dim: 3 } blob_filler { type: "gaussian_unitball" } } }
layer { name: "cosine" type: "InnerProduct" bottom: "norm" bottom: "weight" top: "cosine"
  inner_product_param { bias_term: false } }
layer { name: "distance" type: "InnerDistance" bottom: "norm" top: "distance"
  param { lr_mult: 1 } param { lr_mult: 2 }
  inner_distance_param { num_output: 5 weight_filler { type: "gaussian" std: 1 } bias_filler { type: "constant" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "cosine" bottom: "label" top: "loss"
  softmax_param { normalize_type: "Softmax" } }
"""


def test_a_normface_net(tmp_path):
    """Its class vectors come from a blob; the softmax that it asks for is Caffe's; its distances have no bias."""
    pytest.importorskip("torch")
    from caffe_pylayers import pycaffe

    (tmp_path / "net.prototxt").write_text(NORMFACE)
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
    net.blobs["x"].data[...] = np.random.RandomState(2).standard_normal((4, 3))
    net.forward()
    net.backward()
    units, weights = net.blobs["norm"].data, net.params["weight"][0].data
    assert net.blobs["cosine"].data == pytest.approx(units @ weights.T, abs=1e-6)
    apart = ((units[:, None] - net.params["distance"][0].data) ** 2).sum(2)
    assert net.blobs["distance"].data == pytest.approx(apart, rel=1e-5)
    assert net.params["weight"][0].diff.any()
    assert len(net.params["distance"]) == 1


@pytest.mark.parametrize(
    ("text", "layer", "expected"),
    [
        (
            "type: 'TripletLoss' triplet_loss_param { margin: 0.2 }",
            "triplet.TripletLoss",
            {"margin": 0.2, "half": True},
        ),
        ("type: 'TripletLoss'", "triplet.TripletLoss", {"margin": 1, "half": True}),
        ("type: 'Norm'", "embeddings.LpNormalize", {"p": 2, "eps": 1e-12}),
        ("type: 'LiftedStructSimilaritySoftmaxLoss'", "metric_losses.LiftedStructureLoss", {"margin": 1}),
        (
            "type: 'FocalLoss' focal_loss_param { gamma: 1.5 axis: 2 } loss_param { ignore_label: 9 normalize: false }",
            "focal.SoftmaxFocalLoss",
            {"one_add_p": False, "gamma": 1.5, "alpha": 0.25, "axis": 2, "normalization": "batch", "ignore_label": 9},
        ),
        (
            "type: 'FocalLoss' focal_loss_param { type: ONEADDP beta: 2 } softmax_param { axis: 3 }",
            "focal.SoftmaxFocalLoss",
            {"one_add_p": True, "gamma": 2, "alpha": 1, "axis": 3, "normalization": "valid"},
        ),
        (
            "type: 'LabelSpecificAdd' label_specific_add_param { bias: -0.35 transform_test: true }",
            "label_scores.LabelSpecificAdd",
            {"bias": -0.35, "start_iter": 0},
        ),
        (
            "type: 'LabelSpecificAdd' label_specific_add_param { bias_base: 0 bias_gamma: 1 bias_min: -1 iteration: 3}",
            "label_scores.LabelSpecificAdd",
            {
                "bias": 0,
                "bias_base": 0,
                "bias_gamma": 1,
                "bias_power": 1,
                "bias_min": -1,
                "bias_max": 0,
                "start_iter": 3,
            },
        ),
        (
            f"{IP} {{ num_output: 9 bias_term: false normalize: true weight_filler {{ type: 'xavier' }} }}",
            "margin_heads.MarginInnerProduct",
            {"num_classes": 9, "filler": "xavier", "margin": 1, "legacy_version": True},
        ),
        (f"{IP} {{ num_output: 9 normalize: false }}", "", {}),
        (
            "type: 'Scale' bottom: 'x' scale_param { num_axes: 0 min_value: 0.01 filler { value: 10 } }",
            "learned.LearnedScale",
            {"axes": [], "min_value": 0.01, "filler": "constant", "filler_value": 10},
        ),
        (
            "type: 'Scale' bottom: 'x' scale_param { axis: 2 num_axes: 2 max_value: 1 }",
            "learned.LearnedScale",
            {"axes": [2, 3], "max_value": 1, "filler": "constant"},
        ),
        ("type: 'Scale' bottom: 'x' scale_param { axis: 2 }", "", {}),
        (
            "type: 'LabelSpecificRescale' label_specific_rescale_param { positive_weight_base: 3 gamma: 0.5 "
            "iteration: 7 positive_lower_bound: 2 }",
            "label_scores.LabelSpecificRescale",
            {
                "positive_weight": 1,
                "negative_weight": 1,
                "rescale_test": False,
                "for_ip": False,
                "positive_weight_base": 3,
                "gamma": 0.5,
                "power": 1,
                "bias_fix": False,
                "start_iter": 7,
            },
        ),
        (
            "type: 'ChannelScale' channel_scale_param { do_backward_scale: false }",
            "embeddings.ChannelScale",
            {"do_forward": True, "do_backward_feature": True, "do_backward_scale": False},
        ),
        (
            "type: 'InnerDistance' bottom: 'x' inner_distance_param { num_output: 9 distance_type: 'L1' "
            "normalize: true weight_filler { type: 'gaussian_unitball' } }",
            "class_distances.InnerDistance",
            {
                "axis": 1,
                "p": 1,
                "normalize": True,
                "update_center_only": False,
                "num_classes": 9,
                "filler": "gaussian_unitball",
            },
        ),
        (
            "type: 'GeneralContrastiveLoss' bottom: 'd' bottom: 'y' general_contrastive_loss_param { square: false "
            "max_negative_only: true positive_first: true }",
            "class_distances.ClassContrastiveLoss",
            {
                "positive_margin": 0,
                "negative_margin": 1,
                "positive_weight": 1,
                "negative_weight": 1,
                "positive_outlier_thresh": 4,
                "exp_negative_weight": False,
                "hardest_only": True,
                "positive_upper_bound": 1,
            },
        ),
    ],
)
def test_layers(text, layer, expected):
    assert computed_by(text) == (layer, expected)


def test_an_am_softmax_net(tmp_path):
    """The cosines of a face with two directions, the label's less a margin, times a scale; without it for a test."""
    pytest.importorskip("torch")
    from caffe_pylayers import pycaffe

    text = """
input: "x" input_shape { dim: 2 dim: 2 } input: "label" input_shape { dim: 2 }
layer { name: "norm" type: "Normalize" bottom: "x" top: "norm" normalize_param { normalize_type: "L2" } }
layer { name: "cos" type: "InnerProduct" bottom: "norm" top: "cos"
  inner_product_param { num_output: 2 bias_term: false normalize: true weight_filler { type: "xavier" } } }
layer { name: "margin" type: "LabelSpecificAdd" bottom: "cos" bottom: "label" top: "margin"
  label_specific_add_param { bias: -0.25 } }
layer { name: "scores" type: "Power" bottom: "margin" top: "scores" power_param { scale: 30 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }
"""
    (tmp_path / "net.prototxt").write_text(text)
    for phase, margin in ((pycaffe.TRAIN, 0.25), (pycaffe.TEST, 0)):
        net = pycaffe.Net(str(tmp_path / "net.prototxt"), phase)
        net.params["cos"][0].data[...] = [[2, 0], [0, 5]]
        net.blobs["x"].data[...] = [[3, 4], [-4, 3]]
        net.blobs["label"].data[...] = [0, 1]
        net.forward()
        expected = 30 * np.array([[0.6 - margin, 0.8], [-0.8, 0.6 - margin]])
        np.testing.assert_allclose(net.blobs["scores"].data, expected, rtol=1e-5)
        np.testing.assert_allclose(net.params["cos"][0].data, np.eye(2), atol=1e-6)


def test_a_norm_face_net(tmp_path):
    """NormFace's C-triplets: the gradient is that of one hardest class and the label's, as caffe-windows has it."""
    pytest.importorskip("torch")
    from caffe_pylayers import pycaffe

    text = """
input: "x" input_shape { dim: 2 dim: 2 } input: "label" input_shape { dim: 2 }
force_backward: true
layer { name: "face" type: "Normalize" bottom: "x" top: "face" }
layer { name: "w" type: "Parameter" top: "w"
  parameter_param { shape { dim: 3 dim: 2 } blob_filler { type: "gaussian_unitball" } } }
layer { name: "d" type: "InnerDistance" bottom: "face" bottom: "w" top: "d"
  inner_distance_param { bias_term: false distance_type: "L2" } }
layer { name: "triplet" type: "GeneralTripletLoss" bottom: "d" bottom: "label" top: "triplet" top: "mean_distance"
  loss_weight: 2 loss_weight: 1
  general_triplet_loss_param { margin: 0.75 add_center_loss: true hardest_only: true } }
layer { name: "pairs" type: "GeneralContrastiveLoss" bottom: "d" bottom: "label" top: "pairs" loss_weight: 0 }
layer { name: "accuracy" type: "Accuracy" bottom: "d" bottom: "label" top: "accuracy"
  accuracy_param { min_is_better: true } include { phase: TEST } }
"""
    (tmp_path / "net.prototxt").write_text(text)
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TEST)
    np.testing.assert_allclose((net.params["w"][0].data ** 2).sum(1), 1, rtol=1e-5)
    net.params["w"][0].data[...] = [[0.6, 0.8], [1, 0], [0, -1]]
    net.blobs["x"].data[...] = [[3, 4], [-4, 3]]
    net.blobs["label"].data[...] = [0, 1]
    net.forward()
    distances = np.array([[0, 0.8, 3.6], [2, 3.6, 3.2]])
    np.testing.assert_allclose(net.blobs["d"].data, distances, atol=1e-6)
    np.testing.assert_allclose(net.blobs["triplet"].data, (0 + 2.35) / 2, atol=1e-6)
    np.testing.assert_allclose(net.blobs["mean_distance"].data, [1.8, 9.6 / 4], rtol=1e-6)
    np.testing.assert_allclose(net.blobs["pairs"].data, (0.2 + 3.6) / 2, rtol=1e-6)
    np.testing.assert_allclose(net.blobs["accuracy"].data, 0.5)
    net.backward()
    np.testing.assert_allclose(net.blobs["d"].diff, [[1, 0, 0], [-1, 1, 0]])


def test_a_loss_of_neighbours(tmp_path):
    """Two patches of a track for each video; the layer names no top, as in the fork's own net."""
    pytest.importorskip("torch")
    from caffe_pylayers import pycaffe

    text = """
input: "x" input_shape { dim: 4 dim: 2 } input: "label" input_shape { dim: 4 } force_backward: true
layer { name: "norm" type: "Norm" bottom: "x" top: "norm" }
layer { name: "loss" type: "RankHardLoss" bottom: "norm" bottom: "label"
  rank_param { neg_num: 2 pair_size: 2 hard_ratio: 0.5 rand_ratio: 0.5 margin: 1 } }
"""
    (tmp_path / "net.prototxt").write_text(text)
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
    net.blobs["x"].data[...] = [[2, 0], [3, 4], [0, 5], [0, -1]]
    net.blobs["label"].data[...] = [7, 7, 8, 8]
    # a p = 0.6 with the products 0, 0 and 0.8, -0.8; then -1 with 0, 0.8 and 0, -0.8: four terms and two
    (loss,) = net.forward().values()
    first = [0.4, 0.4, 1.2]
    second = [2, 2, 2.8, 1.2]
    np.testing.assert_allclose(loss, (sum(first) + sum(second)) / (2 * 2 * 2), rtol=1e-5)
    net.backward()
    assert np.abs(net.blobs["norm"].diff).sum() > 0


def test_weights_of_a_softmax_loss(tmp_path):
    """Losses -log(3/4) and log 2 with the weights 1 and 3; VALID divides by their sum."""
    pytest.importorskip("torch")
    from caffe_pylayers import pycaffe

    inputs = (
        "input: 'x' input_shape { dim: 2 dim: 2 } input: 'y' input_shape { dim: 2 } input: 'w' input_shape { dim: 2 }"
    )
    for normalization, divisor in (("VALID", 4), ("BATCH_SIZE", 2), ("NONE", 1)):
        path = tmp_path / "net.prototxt"
        path.write_text(
            f"{inputs} layer {{ name: 'l' type: 'SoftmaxWithLoss' bottom: 'x' bottom: 'y' bottom: 'w' top: 'l'"
            f" loss_param {{ normalization: {normalization} }} }}"
        )
        net = pycaffe.Net(str(path), pycaffe.TRAIN)
        net.blobs["x"].data[...] = [[0, np.log(3)], [0, 0]]
        net.blobs["y"].data[...] = [1, 0]
        net.blobs["w"].data[...] = [1, 3]
        net.forward()
        assert net.blobs["l"].data == pytest.approx((-np.log(0.75) + 3 * np.log(2)) / divisor, rel=1e-5)
        assert (net.layer_dict["l"].type, net.blob_loss_weights["l"]) == ("SoftmaxWithLoss", 1)

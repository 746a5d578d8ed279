"""Nets of SegNet, PSPNet, DeepLab and HED: what their layers become, and small ones that train."""

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from caffe_pylayers._nets.prototxt import parse_net
from tests.nets.forks.lowered import computed_by, layer_of

UNPOOL = "type: 'Upsample' bottom: 'x' bottom: 'mask' upsample_param"


@pytest.mark.parametrize(
    ("text", "layer", "parameters"),
    [
        (f"{UNPOOL} {{ scale: 2 upsample_h: 45 upsample_w: 60 }}", "unpooling.MaxUnpool", {"size": [45, 60]}),
        (
            f"{UNPOOL} {{ scale: 2 pad_out_h: true }}",
            "unpooling.MaxUnpool",
            {"zoom_factor": [2], "pad_out_h": True, "pad_out_w": False},
        ),
        (
            f"{UNPOOL} {{ scale_h: 3 scale_w: 2 }}",
            "unpooling.MaxUnpool",
            {"zoom_factor": [3, 2], "pad_out_h": False, "pad_out_w": False},
        ),
        ("type: 'Upsample' bottom: 'x' upsample_param { scale: 4 }", "resizing.ResizeFeatures", {"zoom_factor": 4}),
        ("type: 'Upsample' bottom: 'x'", "resizing.ResizeFeatures", {"zoom_factor": 1}),
    ],
)
def test_upsample(text, layer, parameters):
    fixed = {"mode": "nearest", "coordinates": "asymmetric"}
    if layer == "unpooling.MaxUnpool":
        fixed = {"legacy_gradient": True}
    assert computed_by(text) == (layer, {**parameters, **fixed})


@pytest.mark.parametrize(
    ("param", "parameters"),
    [
        ("use_blob_size: true", {"pad_beg": 0, "pad_end": 0}),
        ("height: 5 width: 6 pad_beg: -1", {"size": [5, 6], "pad_beg": -1, "pad_end": 0}),
    ],
)
def test_interp(param, parameters):
    text = f"type: 'Interp' bottom: 'x' bottom: 'like' interp_param {{ {param} }}"
    assert computed_by(text) == ("resizing.ResizeFeatures", parameters)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {"report": "batch"}),
        (
            "seg_accuracy_param { metric: PixelIOU ignore_label: 255 ignore_label: 0 reset: false }",
            {"ignore_label": [255, 0], "report": "running"},
        ),
    ],
)
def test_seg_accuracy(text, parameters):
    assert computed_by(f"type: 'SegAccuracy' {text}") == ("segmentation_metrics.SegAccuracy", parameters)


LIST = "source: 'train.txt' batch_size: 4 shuffle: true root_folder: 'data' new_height: 0 new_width: 0 rand_skip: 9"
GIVEN = {"source": "train.txt", "batch_size": 4, "shuffle": True, "root": "data", "channels": "BGR"}
MEAN = {"mean": [104, 117, 123], "scale": 1, "mirror": True}
CHANGED = "mean_value: 104 mean_value: 117 mean_value: 123"


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (
            f"type: 'DenseImageData' dense_image_data_param {{ {LIST} mirror: true crop_height: 9 crop_width: 7 }}"
            f"transform_param {{ {CHANGED} }}",
            {**GIVEN, **MEAN, "crop": [9, 7], "label_divide_factor": 1},
        ),
        (
            f"type: 'DenseImageData' dense_image_data_param {{ {LIST.replace(': 0', ': 8')} is_color: false "
            "label_divide_factor: 8 } transform_param { scale: 0.5 }",
            {**GIVEN, "label_divide_factor": 8, "mirror": False, "scale": 0.5, "channels": "gray", "resize": [8, 8]},
        ),
        (
            f"type: 'ImageSegData' image_data_param {{ {LIST} label_type: PIXEL }} "
            f"transform_param {{ {CHANGED} mirror: true crop_size: 321 scale_factors: 0.5 scale_factors: 1.25 }}",
            {
                **GIVEN,
                **MEAN,
                "crop": [321, 321],
                "crop_padding": "end",
                "scale_factors": [0.5, 1.25],
                "label_type": "pixel",
                "ignore_label": 255,
            },
        ),
        (
            f"type: 'ImageSegData' image_data_param {{ {LIST} label_type: NONE ignore_label: 254 }} "
            f"transform_param {{ {CHANGED} mirror: true crop_height: 5 crop_width: 6 }}",
            {**GIVEN, **MEAN, "crop": [5, 6], "crop_padding": "end", "label_type": "none", "ignore_label": 254},
        ),
        (
            f"type: 'ImageLabelmapData' image_data_param {{ {LIST} }} transform_param {{ {CHANGED} mirror: true }}",
            {**GIVEN, **MEAN, "label_threshold": 128},
        ),
    ],
)
def test_data(text, parameters):
    layer, found = computed_by(text)
    assert layer == "segmentation_data.SegmentationPairs"
    assert {name: value for name, value in found.items() if value is not None} == parameters


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("type: 'DenseImageData' transform_param { mean_file: 'mean.binaryproto' }", "transform_param.mean_file"),
        ("type: 'ImageLabelmapData' image_data_param { new_height: 9 new_width: 9 }", "image_data_param.new_height"),
        ("type: 'DenseImageData' transform_param { scale_factors: 2 }", "transform_param.scale_factors"),
    ],
)
def test_fields_without_an_equal(text, place):
    with pytest.raises(ValueError, match=f"nothing here does what {place} asks for"):
        computed_by(text)


WEIGHTS = "weight_by_label_freqs: true class_weighting: 0.5 class_weighting: 2"


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("ignore_label: 1", {"normalization": "valid", "axis": 1, "ignore_label": 1}),
        ("normalize: false", {"normalization": "batch", "axis": 1}),
        ("normalize: true } softmax_param { engine: CAFFE axis: -1", {"normalization": "valid", "axis": -1}),
        ("normalization: BATCH_SIZE", {"normalization": "batch", "axis": 1}),
        ("normalization: FULL normalize: false", {"normalization": "full", "axis": 1}),
    ],
)
def test_class_weights(text, parameters):
    found = computed_by(f"type: 'SoftmaxWithLoss' loss_param {{ {WEIGHTS} {text} }}")
    assert found == ("cross_entropy.SoftmaxCrossEntropyLoss", {"class_weights": [0.5, 2], **parameters})


@pytest.mark.parametrize(("said", "balanced"), [("", True), ("loss_param { balanced: false }", False)])
def test_a_net_with_heds_data_has_heds_loss(said, balanced):
    data = "layer { name: 'd' type: 'ImageLabelmapData' top: 'x' top: 'y' image_data_param { source: 'l' } }"
    loss = f"layer {{ name: 'l' type: 'SigmoidCrossEntropyLoss' bottom: 'x' bottom: 'y' top: 'z' {said} }}"
    net = parse_net(data + loss)
    *_, found = net.layer
    assert found.HasField("python_param") == balanced
    assert parse_net(str(net)) == net
    (alone,) = parse_net(loss).layer
    assert not alone.HasField("python_param")


def test_heds_loss():
    found = computed_by("type: 'SigmoidCrossEntropyLoss' loss_param { balanced: true }")
    assert found == ("cross_entropy.SigmoidCrossEntropyLoss", {"balanced": True})


def test_class_weights_that_are_not_used():
    found = layer_of("type: 'SoftmaxWithLoss' loss_param { class_weighting: 2 ignore_label: 1 }")
    assert not found.HasField("python_param")
    assert found.loss_param.ignore_label == 1


@pytest.mark.parametrize(
    ("normalize", "labels", "wanted"),
    [  # p of the two labels: 0.7, weight 0.5, and 0.6, weight 2
        ("true", [0, 1], 0.599994),
        ("false", [0, 1], 1.199988),
        ("true ignore_label: 0", [0, 1], 1.021651),
    ],
)
def test_segnets_loss_by_hand(tmp_path, normalize, labels, wanted):
    """It is divided by the number of pixels, weights or not; the gradient is (p - 1[label]) times the weight."""
    path = tmp_path / "net.prototxt"
    path.write_text(
        "input: 'x' input_shape { dim: 1 dim: 2 dim: 1 dim: 2 } "
        "input: 'label' input_shape { dim: 1 dim: 1 dim: 1 dim: 2 } "
        "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'x' bottom: 'label' top: 'loss' "
        f"loss_param {{ {WEIGHTS} normalize: {normalize} }} }} force_backward: true"
    )
    net = pycaffe.Net(str(path), pycaffe.TRAIN)
    p = np.array([[0.7, 0.4], [0.3, 0.6]])
    net.blobs["x"].data[...] = np.log(p)[None, :, None]
    net.blobs["label"].data[...] = np.reshape(labels, (1, 1, 1, 2))
    assert net.forward()["loss"] == pytest.approx(wanted, abs=1e-6)
    net.backward()
    factors = np.array([0.5, 2]) / (2 if normalize == "true" else 1)
    if "ignore" in normalize:
        factors = np.array([0, 2])
    assert net.blobs["x"].diff[0, :, 0] == pytest.approx((p - np.eye(2)) * factors, abs=1e-6)


def run(tmp_path, text, data):
    """What a net makes of an input; its last top."""
    path = tmp_path / "net.prototxt"
    sizes = " ".join(f"dim: {size}" for size in data.shape)
    path.write_text(f"input: 'data' input_shape {{ {sizes} }} {text}")
    net = pycaffe.Net(str(path), pycaffe.TEST)
    net.blobs["data"].data[...] = data
    net.forward()
    return net.blobs[net.outputs[-1]].data


def test_upsample_of_yolo(tmp_path):
    layer = "layer { name: 'up' type: 'Upsample' bottom: 'data' top: 'up' upsample_param { scale: 2 } }"
    data = np.random.RandomState(0).rand(2, 3, 4, 5).astype(np.float32)
    np.testing.assert_array_equal(run(tmp_path, layer, data), data.repeat(2, 2).repeat(2, 3))


def test_interp_with_a_factor_of_one_crops(tmp_path):
    layer = "layer { name: 'i' type: 'Interp' bottom: 'data' top: 'i' interp_param { zoom_factor: 1 pad_beg: -1 } }"
    data = np.random.RandomState(0).rand(1, 2, 4, 5).astype(np.float32)
    np.testing.assert_array_equal(run(tmp_path, layer, data), data[:, :, 1:, 1:])


@pytest.mark.parametrize(
    ("param", "wanted"),
    [
        ("height: 3 width: 3", [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]),
        ("zoom_factor: 2 height: 9 width: 9", [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]),
        ("height: 1 width: 4", [[0, 1 / 3, 2 / 3, 1]]),
        ("shrink_factor: 2", [[0]]),
        ("shrink_factor: 1 zoom_factor: 3 height: 2 width: 2", [[0, 1], [2, 3]]),
    ],
)
def test_interp_by_hand(tmp_path, param, wanted):
    layer = f"layer {{ name: 'i' type: 'Interp' bottom: 'data' top: 'i' interp_param {{ {param} }} }}"
    found = run(tmp_path, layer, np.array([[[[0, 1], [2, 3]]]], np.float32))
    np.testing.assert_allclose(found[0, 0], wanted, atol=1e-6)

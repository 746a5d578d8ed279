"""YOLO's nets of MobileNet-YOLO, read as they are."""

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from tests.nets.forks.lowered import computed_by

HEAD = """
input: "conv19" input_shape { dim: 2 dim: 14 dim: 2 dim: 2 }
input: "conv20" input_shape { dim: 2 dim: 14 dim: 4 dim: 4 }
layer { name: "detection_out" type: "Yolov3DetectionOutput" bottom: "conv19" bottom: "conv20" top: "detection_out"
  yolov3_detection_output_param { confidence_threshold: 0.1 nms_threshold: 0.45 num_classes: 2 num_box: 2
    biases: 10 biases: 14 biases: 23 biases: 27 biases: 37 biases: 58 biases: 81 biases: 82
    mask: 2 mask: 3 mask: 0 mask: 1 anchors_scale: 32 anchors_scale: 16 mask_group_num: 2 } }
"""


def load(tmp_path, text, phase=pycaffe.TEST):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return pycaffe.Net(str(path), phase)


def test_a_head_of_yolov3(tmp_path):
    net = load(tmp_path, HEAD)
    assert net.layers[-1].type == "Yolov3DetectionOutput"
    assert net.forward()["detection_out"].shape[2:] == (80, 7)  # scores of 1 / 4, one class of each box
    net.blobs["conv19"].data[:, :, 1, 0] = 5
    best = net.forward()["detection_out"][0, 0, 0]
    assert best[:2].tolist() == [0, 1]
    assert best[2] == pytest.approx(0.98666, abs=1e-5)


EVALUATION = """
input: "conv_reg" input_shape { dim: 2 dim: 14 dim: 3 dim: 3 }
input: "label" input_shape { dim: 1 dim: 1 dim: 1 dim: 8 }
input: "data" input_shape { dim: 2 dim: 3 dim: 8 dim: 8 }
layer { name: "eval_det" type: "EvalDetection" bottom: "conv_reg" bottom: "label" bottom: "data" top: "eval_det"
  eval_detection_param { side: 3 num_class: 2 num_object: 2 threshold: 0.5 nms: 0.45 score_type: MULTIPLY
    biases: 1 biases: 1 biases: 2 biases: 2 } }
"""


def test_an_evaluation_of_yolov2(tmp_path):
    net = load(tmp_path, EVALUATION)
    net.blobs["label"].data[...] = [1, 2, 0, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 0]
    net.blobs["conv_reg"].data[:, 4::7] = -9
    net.blobs["conv_reg"].data[1, 4:7, 1, 1] = 3, 0, 4  # of the first anchor, in the middle
    top = net.forward()["eval_det"]
    assert top.shape == (2, 2 + 4 * 18)
    assert not top[0].any()
    assert top[1, :6] == pytest.approx([0, 1, 1, 0.93544, 1, 0], abs=1e-5)
    assert not top[1, 6:].any()


@pytest.mark.parametrize(
    ("text", "layer", "parameters"),
    [
        ("type: 'Reorg' reorg_param { stride: 2 }", "shuffles.SpaceToDepth", {"block": 2, "channel_order": "darknet"}),
        (
            "type: 'Reorg' reorg_param { stride: 2 reverse: true }",
            "shuffles.PixelShuffle",
            {"upscale": 2, "channel_order": "block"},
        ),
        (
            "type: 'AnnotatedData' data_param { source: 'db' backend: LMDB } "
            "annotated_data_param { yolo_data_type: 1 } transform_param { "
            "resize_param { height: 4 width: 8 prob: 0.2 } resize_param { height: 8 width: 8 prob: 0.8 } }",
            "annotated_data.AnnotatedData",
            {
                "source": "db",
                "backend": "lmdb",
                "shuffle": False,
                "mirror": False,
                "scale": 1,
                "pad_mode": "constant",
                "resize": [4, 8],
                "resize_mode": "warp",
                "sizes": [[4, 8], [8, 8]],
                "size_probs": [0.2, 0.8],
                "label_form": "yolo",
                "use_difficult_gt": True,
                "jitter": 0.3,
            },
        ),
        (
            "type: 'YoloDetectionOutput' yolo_detection_output_param { side: 7 biases: 1 biases: 2 }",
            "yolo.YoloDetectionOutput",
            {"num_classes": 20, "confidence_threshold": 0.01, "nms_threshold": 0.45, "anchors": [1, 2]},
        ),
        (
            "type: 'Yolov3' yolov3_param { object_scale: 5 biases: 10 biases: 14 mask: 0 iou_loss: GIOU }",
            "yolo_losses.Yolov3Loss",
            {
                "num_classes": 20,
                "anchors": [10, 14],
                "thresh": 0.2,
                "coord_scale": 5,
                "class_scale": 1,
                "stride": 32,
                "mask": [0],
                "label_smoothing": 0.1,
                "iou_loss": "giou",
                "iou_normalizer": 0.25,
                "iou_thresh": 0.5,
                "accumulate": True,
                "max_delta": 10,
                "object_scale": 1,
                "legacy_version": True,
            },
        ),
        (
            "type: 'RegionLoss' region_loss_param { object_scale: 5 biases: 1 biases: 2 rescore: 0 absolute: 0 }",
            "yolo_losses.RegionLoss",
            {
                "num_classes": 20,
                "anchors": [1, 2],
                "thresh": 0.2,
                "coord_scale": 5,
                "class_scale": 1,
                "object_scale": 5,
                "noobject_scale": 0.5,
                "rescore": False,
                "bias_match": True,
                "legacy_version": True,
            },
        ),
    ],
)
def test_layers(text, layer, parameters):
    assert computed_by(text) == (layer, parameters)


TRAINED = """
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 4 dim: 3 dim: 16 dim: 16 } shape { dim: 4 dim: 1 dim: 3 dim: 5 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "msra" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 14 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "xavier" } } }
"""
YOLOV3 = """layer { name: "loss" type: "Yolov3" bottom: "conv2" bottom: "label" top: "loss"
  yolov3_param { num_class: 2 num: 2 object_scale: 5 noobject_scale: 1 coord_scale: 1 thresh: 0.6 anchors_scale: 4
    biases: 4 biases: 4 biases: 8 biases: 6 mask: 0 mask: 1 use_logic_gradient: false } }"""
REGION = """layer { name: "loss" type: "RegionLoss" bottom: "conv2" bottom: "label" top: "loss"
  region_loss_param { side: 4 num_class: 2 num: 2 rescore: 0 object_scale: 5 noobject_scale: 1 coord_scale: 1
    thresh: 0.6 biases: 1 biases: 1 biases: 2 biases: 1.5 } }"""


def scenes(rng):
    """Yield batches: noise, and a bright (class 0) or dark (1) rectangle in it, that stands for its label."""
    while True:
        data, label = 0.1 * rng.standard_normal((4, 3, 16, 16)), np.zeros((4, 1, 3, 5))
        for image in range(4):
            dark, (w, h) = rng.randint(2), [(4, 4), (8, 6)][rng.randint(2)]
            x, y = rng.randint(17 - w), rng.randint(17 - h)
            data[image, :, y : y + h, x : x + w] += -1 if dark else 1
            label[image, 0, 0] = [dark, (x + w / 2) / 16, (y + h / 2) / 16, w / 16, h / 16]
        yield data.astype(np.float32), label.astype(np.float32)


def twins_loss(torch, t, label, v3):
    """Return (what is trained, what is reported) for a map (4, 14, 4, 4), of one rectangle a scene, 4 pixels a cell."""
    t, f = t.reshape(4, 2, 7, 4, 4), torch.nn.functional
    anchors = torch.tensor([[1, 1], [2, 1.5]])
    cells = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="xy"), -1)
    codes = t[:, :, :4].movedim(2, -1).detach()
    centres, sizes = (cells + codes[..., :2].sigmoid()) / 4, codes[..., 2:].exp() * anchors[:, None, None] / 4
    truth = torch.from_numpy(label[:, 0, 0])[:, None, None, None]
    low = torch.maximum(centres - sizes / 2, truth[..., 1:3] - truth[..., 3:] / 2)
    high = torch.minimum(centres + sizes / 2, truth[..., 1:3] + truth[..., 3:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    weights = (shared / (sizes.prod(-1) + truth[..., 3:].prod(-1) - shared) <= 0.6).float()
    loss = reported = 0
    for image in range(4):
        c, x, y, w, h = label[image, 0, 0]
        n, i, j = int(w > 0.3), int(x * 4), int(y * 4)
        weights[image, n, j, i] = 0
        at, scale = t[image, n, :, j, i], float(2 - w * h)
        place = torch.tensor([x * 4 - i, y * 4 - j])
        size = torch.log(torch.tensor([w, h]) * 4 / anchors[n])
        hot = f.one_hot(torch.tensor(int(c)), 2).float()
        p, linear = at.sigmoid(), scale * (at[2:4] - size)
        if v3:
            hot = 0.9 * hot + 0.05
            loss += scale * f.binary_cross_entropy_with_logits(at[:2], place, reduction="sum")
            loss += f.binary_cross_entropy_with_logits(at[4:], torch.cat([torch.ones(1), hot]), reduction="sum")
            errors = [scale * (p[:2] - place), linear, p[4] - 1, p[5:] - hot]
        else:
            q = at[5:].softmax(0)
            loss += scale * ((p[:2] - place) ** 2).sum() / 2 + 5 * (p[4] - 1) ** 2 / 2 - (hot * q.log()).sum()
            errors = [
                scale * (p[:2] - place) * p[:2] * (1 - p[:2]),
                linear,
                5 * (p[4] - 1) * p[4] * (1 - p[4]),
                q - hot,
            ]
        loss += (linear**2).sum() / scale / 2
        reported += sum((error**2).sum() for error in errors)
    p = t[:, :, 4].sigmoid()
    loss += (weights * (f.softplus(t[:, :, 4]) if v3 else p**2 / 2)).sum()
    reported += (weights * (p if v3 else p * p * (1 - p)) ** 2).sum()
    return loss / 4, reported.item() / 4


@pytest.mark.parametrize("text", [YOLOV3, REGION], ids=["Yolov3", "RegionLoss"])
def test_fifty_iterations_beside_pytorch(tmp_path, text):
    torch = pytest.importorskip("torch")
    pycaffe.set_random_seed(1)
    path = tmp_path / "train.prototxt"
    path.write_text(TRAINED + text)
    (tmp_path / "solver.prototxt").write_text(
        f'net: "{path}" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 max_iter: 50 snapshot_after_train: false'
    )
    solver = pycaffe.SGDSolver(str(tmp_path / "solver.prototxt"))
    net = solver.net
    weights = [torch.tensor(blob.data, requires_grad=True) for name in net.params for blob in net.params[name]]
    sgd = torch.optim.SGD(weights, lr=0.01, momentum=0.9)
    ours, theirs = [], []
    for _, (data, label) in zip(range(50), scenes(np.random.RandomState(2))):
        net.blobs["data"].data[...], net.blobs["label"].data[...] = data, label
        solver.step(1)
        ours.append(float(net.blobs["loss"].data.sum()))
        maps = torch.nn.functional.conv2d(torch.from_numpy(data), *weights[:2], stride=2, padding=1).relu()
        maps = torch.nn.functional.conv2d(maps, *weights[2:], stride=2, padding=1)
        loss, reported = twins_loss(torch, maps, label, text is YOLOV3)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        theirs.append(reported)
    assert ours == pytest.approx(theirs, rel=1e-3)
    assert np.mean(ours[-10:]) < 0.5 * np.mean(ours[:10])

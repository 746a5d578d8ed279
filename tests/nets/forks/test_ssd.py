"""SSD on the runtime: its rows in the table of forks, and a small net trained beside the same net in PyTorch."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from tests.nets.forks import mobilenet_ssd
from tests.nets.forks.lowered import computed_by


def test_a_loss():
    name, parameters = computed_by(
        "type: 'MultiBoxLoss' loss_param { normalization: FULL } multibox_loss_param { num_classes: 21 "
        "code_type: CENTER_SIZE mining_type: HARD_EXAMPLE conf_loss_type: LOGISTIC nms_param { top_k: 9 } }"
    )
    assert name == "multibox_loss.MultiBoxLoss"
    given = {
        "num_classes": 21,
        "code_type": "center_size",
        "mining_type": "hard_example",
        "conf_loss_type": "logistic",
        "normalization": "full",
        "nms_threshold": 0.3,
        "top_k": 9,
    }
    assert parameters.items() >= given.items()


@pytest.mark.parametrize(
    ("fields", "more", "name", "value"),
    [
        ("num_classes: 21", "", "mining_type", "max_negative"),
        ("num_classes: 21 do_neg_mining: true", "", "mining_type", "max_negative"),
        ("num_classes: 21 do_neg_mining: false", "", "mining_type", "none"),
        ("num_classes: 21 do_neg_mining: true mining_type: HARD_EXAMPLE", "", "mining_type", "hard_example"),
        ("num_classes: 21", "", "normalization", "valid"),
        ("num_classes: 21", "loss_param { normalize: false }", "normalization", "batch"),
        ("num_classes: 21", "loss_param { normalization: BATCH_SIZE }", "normalization", "batch"),
        ("num_classes: 2", "", "map_object_to_agnostic", True),
        ("num_classes: 21", "", "map_object_to_agnostic", False),
    ],
)
def test_fields_of_a_loss(fields, more, name, value):
    assert computed_by(f"type: 'MultiBoxLoss' multibox_loss_param {{ {fields} }} {more}")[1][name] == value


def test_an_evaluation():
    name, parameters = computed_by(
        "type: 'DetectionEvaluate' detection_evaluate_param { num_classes: 21 name_size_file: 'sizes.txt' "
        "resize_param { prob: 0.5 resize_mode: FIT_SMALL_SIZE height: 300 width: 400 interp_mode: CUBIC } }"
    )
    assert name == "detection_metrics.DetectionEvaluate"
    assert parameters == {
        "num_classes": 21,
        "background_label": 0,
        "overlap_threshold": 0.5,
        "evaluate_difficult_gt": True,
        "name_size_file": "sizes.txt",
        "resize_mode": "fit_small_size",
        "resize_height": 300,
        "resize_width": 400,
        "height_scale": 0,
        "width_scale": 0,
    }


REFINEDET = """
input: "data" input_shape { dim: 2 dim: 3 dim: 32 dim: 32 }
input: "label" input_shape { dim: 1 dim: 1 dim: 2 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 8 stride: 8 weight_filler { type: "xavier" } } }
layer { name: "prior" type: "PriorBox" bottom: "conv" bottom: "data" top: "prior"
  prior_box_param { min_size: 16 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }
HEADS
layer { name: "arm_pairs" type: "Reshape" bottom: "arm_conf" top: "arm_pairs"
  reshape_param { shape { dim: 0 dim: -1 dim: 2 } } }
layer { name: "arm_softmax" type: "Softmax" bottom: "arm_pairs" top: "arm_softmax" softmax_param { axis: 2 } }
layer { name: "arm_flat" type: "Flatten" bottom: "arm_softmax" top: "arm_flat" }
layer { name: "arm_loss" type: "MultiBoxLoss" bottom: "arm_loc" bottom: "arm_conf" bottom: "prior" bottom: "label"
  top: "arm_loss" multibox_loss_param { num_classes: 2 code_type: CENTER_SIZE } }
layer { name: "odm_loss" type: "MultiBoxLoss" bottom: "odm_loc" bottom: "odm_conf" bottom: "prior" bottom: "label"
  bottom: "arm_flat" bottom: "arm_loc" top: "odm_loss" multibox_loss_param { num_classes: 21 code_type: CENTER_SIZE } }
layer { name: "found" type: "DetectionOutput" bottom: "odm_loc" bottom: "odm_conf" bottom: "prior"
  bottom: "arm_flat" bottom: "arm_loc" top: "found"
  detection_output_param { num_classes: 21 code_type: CENTER_SIZE keep_top_k: 5 objectness_score: 0.01 } }
"""
HEAD = """
layer { name: "NAME/conv" type: "Convolution" bottom: "conv" top: "NAME/conv"
  convolution_param { num_output: OUTPUTS kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "NAME/order" type: "Permute" bottom: "NAME/conv" top: "NAME/order"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "NAME" type: "Flatten" bottom: "NAME/order" top: "NAME" }
"""


def test_refinedets_two_stages(tmp_path):
    """The first takes objects of any class for one; the second has what it says as two further bottoms."""
    outputs = {"arm_loc": 4, "arm_conf": 2, "odm_loc": 4, "odm_conf": 21}
    heads = "".join(HEAD.replace("NAME", name).replace("OUTPUTS", str(n)) for name, n in outputs.items())
    (tmp_path / "net.prototxt").write_text(REFINEDET.replace("HEADS", heads))
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
    rng = np.random.RandomState(1)
    net.blobs["data"].data[...] = rng.rand(2, 3, 32, 32)
    net.blobs["label"].data[0, 0] = [[0, 7, 0, 0.1, 0.1, 0.6, 0.6, 0], [1, 20, 0, 0.3, 0.4, 0.8, 0.9, 0]]
    net.forward()
    net.backward()
    assert all(net.blobs[f"{stage}_loss"].data > 0 for stage in ("arm", "odm"))
    assert all(np.abs(net.params[f"{name}/conv"][0].diff).sum() > 0 for name in outputs)
    assert net.blobs["found"].data.shape == (1, 1, 10, 7)


DETECTS = """
input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 32 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 16 stride: 16 weight_filler { type: "xavier" } } }
layer { name: "prior" type: "PriorBox" bottom: "conv" bottom: "data" top: "prior"
  prior_box_param { min_size: 16 clip: true variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }
HEADS
layer { name: "pairs" type: "Reshape" bottom: "conf" top: "pairs" reshape_param { shape { dim: 0 dim: -1 dim: 2 } } }
layer { name: "softmax" type: "Softmax" bottom: "pairs" top: "softmax" softmax_param { axis: 2 } }
layer { name: "flat" type: "Flatten" bottom: "softmax" top: "flat" }
layer { name: "detection_out" type: "DetectionOutput" bottom: "loc" bottom: "flat" bottom: "prior" top: "detection_out"
  detection_output_param { num_classes: 2 code_type: CENTER_SIZE nms_param { nms_threshold: 0.45 } } }
"""


def test_the_guides_script(tmp_path, monkeypatch, capsys):
    """Each of the four boxes that the net has scores 1."""
    cv2 = pytest.importorskip("cv2")
    guide = (Path(__file__).parents[3] / "docs" / "forks.md").read_text()
    script = re.search(r"^```python\n(.*?)^```$", guide, re.M | re.S)[1]
    heads = "".join(HEAD.replace("NAME", name).replace("OUTPUTS", str(n)) for name, n in {"loc": 4, "conf": 2}.items())
    monkeypatch.chdir(tmp_path)
    Path("deploy.prototxt").write_text(DETECTS.replace("HEADS", heads))
    net = pycaffe.Net("deploy.prototxt", pycaffe.TEST)
    net.params["loc/conv"][0].data[...] = net.params["conf/conv"][0].data[...] = 0
    net.params["conf/conv"][1].data[1] = 99
    net.save("ssd.caffemodel")
    cv2.imwrite("street.jpg", np.zeros((20, 30, 3), np.uint8))
    exec(compile(script, "forks.md", "exec"), {})
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4
    assert all(row.startswith("1 1.00 from (0") for row in rows)


def test_a_small_net_trains_as_pytorchs(tmp_path):
    """The same weights, scenes and rule: the losses of the first iterations are the same."""
    losses = mobilenet_ssd.first_losses(tmp_path, iterations=8, batch=2)
    assert losses[:, 0] == pytest.approx(losses[:, 1], rel=1e-4)

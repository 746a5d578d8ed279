"""SSD on the runtime: its rows in the table of forks, and a small net trained beside the same net in PyTorch."""

import json

import pytest

from caffe_pylayers._nets.prototxt import parse_net
from tests.nets.forks import mobilenet_ssd


def lowered(text):
    """What becomes of a layer: the library's, and its parameters."""
    (found,) = parse_net(f"layer {{ name: 'a' {text} }}", "my.prototxt").layer
    return found.python_param.layer, json.loads(found.python_param.param_str)


def test_a_loss():
    name, parameters = lowered(
        "type: 'MultiBoxLoss' loss_param { normalization: FULL } multibox_loss_param { num_classes: 21 "
        "code_type: CENTER_SIZE mining_type: HARD_EXAMPLE conf_loss_type: LOGISTIC nms_param { top_k: 9 } }"
    )
    assert name == "MultiBoxLoss"
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
    assert lowered(f"type: 'MultiBoxLoss' multibox_loss_param {{ {fields} }} {more}")[1][name] == value


def test_an_evaluation():
    name, parameters = lowered(
        "type: 'DetectionEvaluate' detection_evaluate_param { num_classes: 21 name_size_file: 'sizes.txt' "
        "resize_param { prob: 0.5 resize_mode: FIT_SMALL_SIZE height: 300 width: 400 interp_mode: CUBIC } }"
    )
    assert name == "DetectionEvaluate"
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


def test_a_small_net_trains_as_pytorchs(tmp_path):
    """The same weights, scenes and rule: the losses of the first iterations are the same."""
    losses = mobilenet_ssd.first_losses(tmp_path, iterations=8, batch=3)
    assert losses[:, 0] == pytest.approx(losses[:, 1], rel=1e-3)
    assert losses[-1, 0] < losses[0, 0]

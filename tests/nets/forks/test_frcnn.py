"""Faster R-CNN end to end, as makefile/frcnn trains it: from its list and its settings to the gradients."""

import json

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from tests.layers.files import image, text
from tests.nets.forks.lowered import computed_by

TARGETS = ("targets", "inside_weights", "outside_weights")


def convolution(name, bottom, outputs, kernel, stride=1):
    return f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" convolution_param {{
  num_output: {outputs} kernel_size: {kernel} stride: {stride} weight_filler {{ type: "gaussian" std: 0.1 }} }} }}
"""


def fully_connected(name, outputs):
    return f"""layer {{ name: "{name}" type: "InnerProduct" bottom: "pooled" top: "{name}"
  inner_product_param {{ num_output: {outputs} weight_filler {{ type: "gaussian" std: 0.1 }} }} }}
"""


def losses(kind, scores, deltas, labels, targets):
    bottoms = " ".join(f'bottom: "{name}"' for name in (deltas, *targets))
    return f"""layer {{ name: "{kind}_cls" type: "SoftmaxWithLoss" bottom: "{scores}" bottom: "{labels}"
  top: "{kind}_cls" propagate_down: 1 propagate_down: 0 loss_param {{ ignore_label: -1 normalize: true }} }}
layer {{ name: "{kind}_bbox" type: "SmoothL1Loss" {bottoms} top: "{kind}_bbox" smooth_l1_loss_param {{ sigma: 3.0 }} }}
"""


NO_GRADIENT = "propagate_down: 0 propagate_down: 0"
NET = (
    """layer { name: "input-data" type: "FrcnnRoiData" top: "data" top: "im_info" top: "gt_boxes"
  window_data_param { source: "LIST" config: "SETTINGS" root_folder: "FOLDER/" cache_images: true } }
"""
    + convolution("conv5", "data", 4, 16, 16)
    + convolution("rpn_cls_score", "conv5", 18, 1)
    + convolution("rpn_bbox_pred", "conv5", 36, 1)
    + """layer { name: "pairs" type: "Reshape" bottom: "rpn_cls_score" top: "pairs"
  reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
layer { name: "rpn-data" type: "FrcnnAnchorTarget" bottom: "rpn_cls_score" bottom: "gt_boxes" bottom: "im_info"
  top: "rpn_labels" top: "rpn_targets" top: "rpn_inside_weights" top: "rpn_outside_weights" propagate_down: 0 NONE }
"""
    + losses("rpn", "pairs", "rpn_bbox_pred", "rpn_labels", [f"rpn_{name}" for name in TARGETS])
    + """layer { name: "prob" type: "Softmax" bottom: "pairs" top: "prob" }
layer { name: "maps" type: "Reshape" bottom: "prob" top: "maps"
  reshape_param { shape { dim: 0 dim: 18 dim: -1 dim: 0 } } }
layer { name: "proposal" type: "FrcnnProposal" bottom: "maps" bottom: "rpn_bbox_pred" bottom: "im_info" top: "rpn_rois"
  propagate_down: 0 NONE }
layer { name: "roi-data" type: "FrcnnProposalTarget" bottom: "rpn_rois" bottom: "gt_boxes"
  top: "rois" top: "labels" top: "bbox_targets" top: "bbox_inside_weights" top: "bbox_outside_weights" NONE }
layer { name: "pooled" type: "ROIPooling" bottom: "conv5" bottom: "rois" top: "pooled"
  roi_pooling_param { pooled_w: 2 pooled_h: 2 spatial_scale: 0.0625 } }
"""
    + fully_connected("cls_score", 21)
    + fully_connected("bbox_pred", 84)
    + losses("rcnn", "cls_score", "bbox_pred", "labels", [f"bbox_{name}" for name in TARGETS])
).replace("NONE", NO_GRADIENT)


def test_it_trains(tmp_path):
    image(tmp_path / "a.ppm", np.random.RandomState(0).randint(0, 256, (96, 128, 3)))
    source = text(tmp_path / "list", "# 0", "a.ppm", "2", "7 40 24 100 84 0", "15 8 8 60 60 1")
    settings = {"scales": "192", "max_size": "400", "use_flipped": "1", "pixel_means": "102.98, 115.95, 122.77"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    net = NET.replace("LIST", str(source)).replace("SETTINGS", str(tmp_path / "settings.json"))
    (tmp_path / "net.prototxt").write_text(net.replace("FOLDER", str(tmp_path)))
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
    found = net.forward()
    assert net.blobs["data"].data.shape == (1, 3, 192, 256)
    assert net.blobs["im_info"].data.tolist() == [[192, 256, 2]]
    assert set(net.blobs["gt_boxes"].data[:, 5]) == {7, 15}
    assert set(np.unique(net.blobs["labels"].data)) >= {0, 7}
    assert all(np.isfinite(found[name]).all() for name in ("rpn_cls", "rpn_bbox", "rcnn_cls", "rcnn_bbox"))
    net.backward()
    assert all(blob.diff.any() for name in ("conv5", "rpn_bbox_pred", "bbox_pred") for blob in net.params[name])


def test_classes_of_other_data():
    name, parameters = computed_by("type: 'FrcnnProposalTarget' proposal_target_param { cls_num: 2 }")
    assert (name, parameters["num_classes"]) == ("proposals.ProposalTarget", 2)

"""YOLO's nets of MobileNet-YOLO, read as they are."""

import pytest

from caffe_pylayers import pycaffe

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

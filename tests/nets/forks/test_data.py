"""Data layers of forks: their fields, and a net that reads a fork's database."""

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("lmdb")

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from caffe_pylayers._nets.prototxt import parse_net
from tests.layers.files import annotated
from tests.nets.forks.lowered import in_library

SSD = """
layer {
  name: "data" type: "AnnotatedData" top: "data" top: "label"
  transform_param {
    mirror: true mean_value: 104 mean_value: 117 mean_value: 123 crop_size: 8 force_color: true
    resize_param {
      prob: 1 resize_mode: FIT_LARGE_SIZE_AND_PAD height: 10 width: 12 interp_mode: LINEAR interp_mode: AREA
      pad_mode: MIRRORED
    }
    emit_constraint { emit_type: MIN_OVERLAP emit_overlap: 0.25 }
    distort_param { brightness_prob: 0.5 brightness_delta: 32 random_order_prob: 0.0 }
    noise_param { jpeg: 80 saltpepper: true saltpepper_param { fraction: 0.1 value: 9 } }
    expand_param { prob: 0.5 max_expand_ratio: 4.0 }
  }
  data_param { source: "SOURCE" batch_size: 3 backend: LMDB prefetch: 9 }
  annotated_data_param {
    batch_sampler { max_sample: 1 max_trials: 1 }
    batch_sampler {
      sampler { min_scale: 0.3 max_aspect_ratio: 2.0 } sample_constraint { min_jaccard_overlap: 0.1 } max_trials: 50
    }
    batch_sampler { use_original_image: false }
    label_map_file: "labelmap.prototxt"
  }
}
"""


def parameters(text):
    """Return the class that computes the only layer of a net, and its parameters."""
    (layer,) = parse_net(text).layer
    return in_library(layer)


def test_ssds_fields():
    assert parameters(SSD) == (
        "annotated_data.AnnotatedData",
        {
            "source": "SOURCE",
            "backend": "lmdb",
            "batch_size": 3,
            "shuffle": False,
            "channels": "BGR",
            "distort": {"brightness_prob": 0.5, "brightness_delta": 32, "random_order_prob": 0},
            "expand_prob": 0.5,
            "max_expand_ratio": 4,
            "batch_samplers": [
                {"max_sample": 1, "max_trials": 1},
                {"min_scale": 0.3, "max_aspect_ratio": 2, "min_jaccard_overlap": 0.1, "max_trials": 50},
            ],
            "emit_type": "min_overlap",
            "emit_overlap": 0.25,
            "resize": [10, 12],
            "resize_mode": "fit_large_size_and_pad",
            "interpolation": ["linear", "area"],
            "pad_mode": "mirrored",
            "noise": ["jpeg", "saltpepper"],
            "jpeg_quality": 80,
            "saltpepper_fraction": 0.1,
            "saltpepper_value": [9],
            "crop": [8, 8],
            "mirror": True,
            "mean": [104, 117, 123],
            "scale": 1,
        },
    )


@pytest.mark.parametrize(
    ("transform", "data", "expected"),
    [
        (
            "crop_size: 224 img_rand_resize_lower: 240 img_rand_resize_upper: 288 vertical_stretch_lower: 0.7 "
            "allow_upscale: true interpolation_algo_down: INTER_AREA",
            "shuffle: true cache: true threads: 4",
            {
                "shuffle": True,
                "crop": [224, 224],
                "shorter": [240, 288],
                "stretch_height": [0.7, 1],
                "upscale": True,
                "interpolation_down": "area",
                "interpolation_up": "cubic",
            },
        ),
        (
            "mean_value: 9 resize_param { height: 3 width: 4 resize_mode: FIT_SMALL_SIZE } crop_h: 2 crop_w: 3",
            "",
            {
                "shuffle": False,
                "mean": [9],
                "resize": [3, 4],
                "resize_mode": "fit_small_size",
                "pad_mode": "constant",
                "crop": [2, 3],
                "upscale": False,
                "interpolation_down": "nearest",
                "interpolation_up": "cubic",
            },
        ),
    ],
)
def test_fields_of_stock_data_layers(transform, data, expected):
    layer = (
        f"layer {{ name: 'd' type: 'Data' top: 'data' transform_param {{ {transform} }} "
        f"data_param {{ source: 'x' batch_size: 4 backend: LMDB {data} }} }}"
    )
    common = {"source": "x", "backend": "lmdb", "batch_size": 4, "scale": 1, "mirror": False}
    assert parameters(layer) == ("datum_data.DatumImages", {**common, **expected})


def test_a_stock_data_layer_stays():
    layer = "layer { name: 'd' type: 'Data' top: 'd' data_param { source: 'x' batch_size: 4 cache: true threads: 2 } }"
    (found,) = parse_net(layer, "net").layer
    assert (found.data_param.source, found.HasField("python_param")) == ("x", False)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (
            "random_resize_param { min_size: 256 max_size: 320 resize_param { interp_mode: CUBIC } }",
            {"shorter": [256, 320], "upscale": True, "round_down": True, "interpolation_down": "cubic"},
        ),
        (
            "random_aspect_ratio_param { min_area_ratio: 0.08 aspect_ratio_change: 0.75 max_attempt: 100 }",
            {"random_area": [0.08, 1], "aspect_change": 0.75, "attempts": 100, "interpolation_up": "linear"},
        ),
    ],
)
def test_intels_fields(transform, expected):
    layer = f"layer {{ name: 'd' type: 'Data' top: 'd' transform_param {{ crop_size: 224 {transform} }} }}"
    name, found = parameters(layer)
    assert name == "datum_data.DatumImages"
    assert {key: found[key] for key in expected} == expected


def test_what_would_change_the_images_is_no_field_to_leave_out():
    layer = "layer { name: 'd' type: 'Data' transform_param { bgr2rgb: true } }"
    with pytest.raises(ValueError, match=r"d.* \(Data\).*bgr2rgb"):
        parse_net(layer, "net")


def test_a_net_reads_ssds_database(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (3, 20, 30, 3))
    annotated(tmp_path / "db", images, [[(3, 0.1, 0.2, 0.5, 0.9)], [], [(1, 0, 0, 1, 1, 1)]], encode="png")
    path = tmp_path / "train.prototxt"
    path.write_text(SSD.replace("SOURCE", str(tmp_path / "db")))
    net = pycaffe.Net(str(path), pycaffe.TRAIN)
    for _ in range(3):
        net.forward()
        label = net.blobs["label"].data
        assert net.blobs["data"].data.shape == (3, 3, 8, 8)
        assert label.shape[:2] == (1, 1)
        assert label.shape[3] == 8
        assert set(label[0, 0, :, 0]) <= {-1, 0, 2}
    assert [layer.type for layer in net.layers] == ["AnnotatedData"]


def test_the_video_data_of_two_forks():
    tsn = """layer { name: "data" type: "VideoData" top: "data" top: "label"
      video_data_param { source: "train.txt" batch_size: 12 new_length: 5 num_segments: 3 modality: FLOW shuffle: true
        name_pattern: "flow_%c_%05d.jpg" new_height: 256 new_width: 340 }
      transform_param { crop_size: 224 mirror: true fix_crop: true more_fix_crop: true multi_scale: true
        scale_ratios: [1, .875] is_flow: true mean_value: [128] } }"""
    assert parameters(tsn) == (
        "video_data.VideoSegments",
        {
            "source": "train.txt",
            "batch_size": 12,
            "shuffle": True,
            "segments": 3,
            "length": 5,
            "modality": "flow",
            "name_pattern": "flow_%c_%05d.jpg",
            "resize": [256, 340],
            "crop": [224, 224],
            "multi_scale": True,
            "scale_ratios": [1, 0.875],
            "max_distort": 1,
            "fixed_crops": "more",
            "turn_flow": True,
            "mirror": True,
            "mean": [128],
            "scale": 1,
        },
    )
    for given, mean in (("[104, 117, 123, 104, 117, 123]", [104, 117, 123]), ("[128, 128]", [128]), ("[1, 2]", [1, 2])):
        assert parameters(tsn.replace("[128]", given))[1]["mean"] == mean
    ssd = """layer { name: "data" type: "VideoData" top: "data" transform_param { mean_value: 104 resize_param {
      height: 300 width: 300 } } data_param { batch_size: 2 }
      video_data_param { video_type: VIDEO video_file: "a.mp4" skip_frames: 2 } }"""
    name, found = parameters(ssd)
    assert name == "video_data.VideoFrames"
    assert {key: found[key] for key in ("video_file", "skip_frames", "batch_size", "resize")} == {
        "video_file": "a.mp4",
        "skip_frames": 2,
        "batch_size": 2,
        "resize": [300, 300],
    }
    name, found = parameters('layer { name: "d" type: "VideoData" data_param { batch_size: 1 } }')
    assert (name, found["device_id"]) == ("video_data.VideoFrames", 0)


def test_detectnets_kitti_layer():
    """The layer of the published net, for training."""
    kitti = """layer { name: "train_transform" type: "DetectNetTransformation" bottom: "data" bottom: "label"
      top: "transformed_data" top: "transformed_label"
      detectnet_groundtruth_param: { stride: 16 scale_cvg: 0.4 gridbox_type: GRIDBOX_MIN coverage_type: RECTANGULAR
        min_cvg_len: 20 obj_norm: true image_size_x: 1248 image_size_y: 384 crop_bboxes: true
        object_class: { src: 1 dst: 0 } object_class: { src: 8 dst: 1 } }
      detectnet_augmentation_param: { crop_prob: 1 shift_x: 32 shift_y: 32 flip_prob: 0.5 rotation_prob: 0 }
      transform_param: { mean_value: 127 } }"""
    name, found = parameters(kitti)
    assert name == "detectnet.DetectNetTransformation"
    wanted = {
        "size": [384, 1248],
        "stride": 16,
        "gridbox_type": "min",
        "min_cvg_len": 20,
        "obj_norm": True,
        "classes": {"1": 0, "8": 1},
        "shift_x": 32,
        "rotation_prob": 0,
        "scale_prob": 0.33,
        "mean": [127],
    }
    assert {key: found[key] for key in wanted} == wanted


def test_what_shows_detections_changes_none():
    layer = """layer { name: "d" type: "DetectionOutput" detection_output_param { num_classes: 2 visualize: true }
      transform_param { mean_value: 104 resize_param { height: 300 width: 300 } } }"""
    name, found = parameters(layer)
    assert name == "ssd.DetectionOutput"
    assert "mean" not in found

"""Nets of videos and of glimpses of pictures: video-caffe, video triplets, the recurrent spatial transformer."""

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe
from tests.nets.forks.lowered import in_library, layer_of

STN = """force_backward: true
input: "data" input_shape { dim: 2 dim: 1 dim: 6 dim: 6 }
input: "clip" input_shape { dim: 2 dim: 3 dim: 1 }
layer { name: "r_data" type: "Repeat" bottom: "data" top: "r_data" repeat_param { num_repeats: 3 } }
layer { name: "all" type: "Reshape" bottom: "r_data" top: "all"
  reshape_param { shape { dim: -1 dim: 1 dim: 6 dim: 6 } } }
layer { name: "r_clip" type: "Reshape" bottom: "clip" top: "r_clip" reshape_param { shape { dim: -1 } } }
layer { name: "flat" type: "Reshape" bottom: "all" top: "flat" reshape_param { shape { dim: -1 dim: 36 } } }
layer { name: "lstm1" type: "Lstm" bottom: "flat" bottom: "r_clip" top: "lstm1" lstm_param { num_output: 4
  clipping_threshold: 0.1 weight_filler { type: "gaussian" std: 0.1 } bias_filler { type: "constant" } } }
layer { name: "map" type: "InnerProduct" bottom: "lstm1" top: "map"
  inner_product_param { num_output: 6 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "glimpse" type: "SpatialTransformer" bottom: "all" bottom: "map" top: "glimpse"
  st_param { to_compute_dU: false output_H: 3 output_W: 3 } }
layer { name: "class" type: "InnerProduct" bottom: "glimpse" top: "class"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""


def test_a_recurrent_spatial_transformer(tmp_path):
    (tmp_path / "net.prototxt").write_text(STN)
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TRAIN)
    net.blobs["data"].data[...] = np.random.RandomState(0).standard_normal((2, 1, 6, 6))
    net.blobs["clip"].data[...] = [[[0], [1], [1]]] * 2
    net.forward()
    repeated = net.blobs["r_data"].data
    assert repeated.shape == (2, 3, 1, 6, 6)
    np.testing.assert_array_equal(repeated, np.repeat(net.blobs["data"].data[:, None], 3, 1))
    assert net.blobs["class"].data.shape == (6, 5)
    net.blobs["r_data"].diff[...] = 0
    net.blobs["class"].diff[...] = 1
    net.backward()
    np.testing.assert_allclose(net.blobs["data"].diff, net.blobs["r_data"].diff.sum(1), rtol=1e-5)
    assert net.params["map"][0].diff.any()


@pytest.mark.parametrize(
    ("text", "layer", "parameters"),
    [
        (
            "type: 'VideoData' video_data_param { source: 'l' batch_size: 5 new_height: 8 new_width: 9 new_length: 16 "
            "shuffle: true root_folder: 'r' } transform_param { crop_size: 7 mirror: true mean_value: 90 }",
            "video_data.VideoClips",
            {"source": "l", "root": "r", "batch_size": 5, "resize": [8, 9], "length": 16, "shuffle": True}
            | {"crop": [7, 7], "mirror": True, "mean": [90], "scale": 1, "starts": "listed"},
        ),
        (
            "type: 'ImageData' image_data_param { source: 'l' batch_size: 4 pair_size: 2 shuffle: true is_color: false "
            "} transform_param { mirror: true crop_size: 7 mean_file: 'm' }",
            "image_lists.ImageList",
            {"source": "l", "root": "", "batch_size": 4, "together": 2, "shuffle": True, "channels": "gray"}
            | {"crop": [7, 7], "mirror": True, "mean_file": "m", "scale": 1, "label_count": 1},
        ),
    ],
)
def test_data(text, layer, parameters):
    assert in_library(layer_of(text)) == (layer, parameters)

"""Nets of forks on the runtime beside OpenCV's dnn module, which reads the same files."""

import numpy as np
import pytest

from tests.layers import opencv

pytest.importorskip("torch")

from caffe_pylayers import pycaffe

rng = np.random.RandomState(7)


def text_of(layers, inputs):
    shapes = (
        f"input: '{name}' input_shape {{ {' '.join(f'dim: {n}' for n in array.shape)} }}"
        for name, array in inputs.items()
    )
    return "\n".join([*shapes, layers])


def both(tmp_path, layers, inputs, outputs, learned=None):
    """Return the blobs named in outputs of a net: the runtime's, and OpenCV's."""
    text = text_of(layers, inputs)
    oracle = opencv.forward(text, inputs, outputs, learned)
    (tmp_path / "net.prototxt").write_text(text)
    net = pycaffe.Net(str(tmp_path / "net.prototxt"), pycaffe.TEST)
    for name, arrays in (learned or {}).items():
        for blob, array in zip(net.params[name] if arrays else (), arrays):
            blob.data[...] = array.reshape(blob.data.shape)
    net.forward(**inputs)
    return [net.blobs[name].data for name in outputs], oracle


def layer(kind, text="", bottoms=("x",), top="y"):
    bottoms = " ".join(f"bottom: '{name}'" for name in bottoms)
    return f"layer {{ name: '{top}' type: '{kind}' {bottoms} top: '{top}' {text} }}"


def maps(*shape):
    return rng.standard_normal(shape)


ROIS = np.array([[0, 0, 0, 7, 7], [1, 4, 2, 15, 9], [0, 3, 3, 3, 3], [1, 9, 1, 12, 14]])
ROI_POOLING = "roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.5 }"
PSROI_POOLING = "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.5 }"


def normalize(across, shared):
    return (
        f"norm_param {{ across_spatial: {across} channel_shared: {shared} "
        "scale_filler { type: 'constant' value: 20 } }"
    )


@pytest.mark.parametrize(
    ("kind", "text", "inputs", "learned"),
    [
        ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }", [maps(2, 3, 4, 5)], []),
        ("Permute", "permute_param { order: 3 order: 1 order: 0 order: 2 }", [maps(2, 3, 4, 5)], []),
        ("Normalize", normalize("false", "false"), [maps(2, 4, 3, 5)], [rng.uniform(5, 20, 4)]),
        ("Normalize", normalize("true", "true"), [maps(2, 4, 3, 5)], [np.array([7.0])]),
        ("ROIPooling", ROI_POOLING, [maps(2, 3, 8, 8), ROIS], []),
        ("PSROIPooling", PSROI_POOLING, [maps(2, 18, 8, 8), ROIS], []),
        ("Interp", "interp_param { height: 9 width: 4 }", [maps(2, 3, 5, 6)], []),
        ("Interp", "interp_param { zoom_factor: 3 }", [maps(1, 2, 3, 4)], []),
        (
            "Correlation",
            "correlation_param { pad: 3 kernel_size: 1 max_displacement: 2 stride_1: 1 stride_2: 1 }",
            [maps(1, 3, 6, 7), maps(1, 3, 6, 7)],
            [],
        ),
        ("FlowWarp", "", [maps(2, 3, 5, 6), 2 * maps(2, 2, 5, 6)], []),
        ("ShuffleChannel", "shuffle_channel_param { group: 3 }", [maps(2, 6, 2, 3)], []),
        ("Reorg", "reorg_param { stride: 2 }", [maps(2, 4, 6, 4)], []),
        (
            "BatchNorm",
            "batch_norm_param { scale_bias: true }",
            [maps(2, 3, 4, 4)],
            [maps(3), rng.uniform(0.5, 2, 3), np.ones(1), maps(3), maps(3)],
        ),
        ("ReLU6", "", [4 * maps(2, 3, 4, 4)], []),
        (
            "ConvolutionDepthwise",
            "convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 }",
            [maps(2, 4, 7, 7)],
            [maps(4, 1, 3, 3), maps(4)],
        ),
    ],
)
def test_a_layer(tmp_path, kind, text, inputs, learned):
    inputs = dict(zip("xz", inputs))
    ((ours,), (theirs,)) = both(tmp_path, layer(kind, text, inputs), inputs, ["y"], {"y": learned})
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


VARIANCES = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"


@pytest.mark.parametrize(
    "text",
    [
        f"min_size: 30 max_size: 60 aspect_ratio: 2 aspect_ratio: 3 flip: true clip: false {VARIANCES}",
        f"min_size: 20 aspect_ratio: 2 flip: false clip: true step: 8 offset: 0.5 {VARIANCES}",
        f"min_size: 10 min_size: 20 max_size: 20 max_size: 40 clip: false step_h: 8 step_w: 16 {VARIANCES}",
    ],
)
def test_prior_boxes(tmp_path, text):
    inputs = {"x": maps(1, 4, 3, 5), "image": maps(1, 3, 48, 80)}
    ((ours,), (theirs,)) = both(tmp_path, layer("PriorBox", f"prior_box_param {{ {text} }}", inputs), inputs, ["y"])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def detected(rows):
    """Return the detections of either of the two in one order: OpenCV's rows of score 0 are none."""
    rows = rows.reshape(-1, 7)
    rows = rows[rows[:, 2] > 0]
    return rows[np.lexsort((-rows[:, 2], rows[:, 1], rows[:, 0]))]


def detection_output(share, code):
    return (
        f"detection_output_param {{ num_classes: 3 share_location: {share} background_label_id: 0 "
        f"nms_param {{ nms_threshold: 0.45 top_k: 20 }} code_type: {code} keep_top_k: 8 confidence_threshold: 0.2 }}"
    )


@pytest.mark.parametrize(("share", "code"), [("true", "CENTER_SIZE"), ("false", "CENTER_SIZE"), ("true", "CORNER")])
def test_detections(tmp_path, share, code):
    count, corners = 30, rng.uniform(0, 0.7, (30, 2))
    priors = np.concatenate([corners, corners + rng.uniform(0.1, 0.3, (30, 2))], 1)
    scores = rng.permutation(2 * count * 3).reshape(2, count * 3) / (6.0 * count)
    inputs = {
        "locations": 0.5 * maps(2, count * 4 * (1 if share == "true" else 3)),
        "scores": scores,
        "priors": np.stack([priors.ravel(), np.tile([0.1, 0.1, 0.2, 0.2], count)])[None],
    }
    text = layer("DetectionOutput", detection_output(share, code), inputs)
    ((ours,), (theirs,)) = both(tmp_path, text, inputs, ["y"])
    ours, theirs = detected(ours), detected(theirs)
    assert len(ours) == 16
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def head(source, anchors, classes, prior):
    """The layers that SSD puts on one map: locations, scores and priors of it."""
    layers = []
    for what, channels in (("loc", 4 * anchors), ("conf", classes * anchors)):
        name = f"{source}_{what}"
        convolution = f"convolution_param {{ num_output: {channels} kernel_size: 3 pad: 1 }}"
        order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
        layers += [
            layer("Convolution", convolution, [source], name),
            layer("Permute", order, [name], f"{name}_perm"),
            layer("Flatten", "flatten_param { axis: 1 }", [f"{name}_perm"], f"{name}_flat"),
        ]
    return [*layers, layer("PriorBox", f"prior_box_param {{ {prior} }}", [source, "data"], f"{source}_prior")]


def test_a_whole_head_of_ssd(tmp_path):
    inputs = {"data": maps(1, 3, 48, 48)}
    layers = [
        layer("Convolution", "convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 4 }", ["data"], "a"),
        layer("ReLU", "", ["a"], "a_relu"),
        layer("Normalize", normalize("false", "false"), ["a_relu"], "norm"),
        layer("Convolution", "convolution_param { num_output: 8 kernel_size: 3 pad: 1 stride: 2 }", ["norm"], "b"),
        *head("norm", 4, 3, f"min_size: 8 max_size: 16 aspect_ratio: 2 flip: true clip: false {VARIANCES}"),
        *head("b", 4, 3, f"min_size: 16 max_size: 24 aspect_ratio: 2 flip: true clip: false {VARIANCES}"),
        *(
            layer("Concat", f"concat_param {{ axis: {axis} }}", [f"norm_{name}", f"b_{name}"], name)
            for name, axis in (("loc_flat", 1), ("conf_flat", 1), ("prior", 2))
        ),
        layer("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }", ["conf_flat"], "conf_rows"),
        layer("Softmax", "softmax_param { axis: 2 }", ["conf_rows"], "conf_softmax"),
        layer("Flatten", "flatten_param { axis: 1 }", ["conf_softmax"], "conf"),
        layer("DetectionOutput", detection_output("true", "CENTER_SIZE"), ["loc_flat", "conf", "prior"], "out"),
    ]
    learned = {
        "a": [maps(8, 3, 3, 3), maps(8)],
        "norm": [rng.uniform(5, 20, 8)],
        "b": [0.1 * maps(8, 8, 3, 3), maps(8)],
        **{f"{name}_loc": [0.05 * maps(16, 8, 3, 3), maps(16)] for name in ("norm", "b")},
        **{f"{name}_conf": [0.05 * maps(12, 8, 3, 3), maps(12)] for name in ("norm", "b")},
    }
    ours, theirs = both(tmp_path, "\n".join(layers), inputs, ["conf", "prior", "out"], learned)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6, atol=1e-6)
    assert len(detected(ours[2])) == 8
    np.testing.assert_allclose(detected(ours[2]), detected(theirs[2]), rtol=1e-4, atol=1e-5)

"""Prototxts of the old formats, every type and field of them, and real Caffe's tools that upgrade files."""

import os
import subprocess

import pytest

from tests.parity.families import caffe_python

V1_TYPES = """
NONE ABSVAL ACCURACY ARGMAX BNLL CONCAT CONTRASTIVE_LOSS CONVOLUTION DATA DECONVOLUTION DROPOUT DUMMY_DATA
EUCLIDEAN_LOSS ELTWISE EXP FLATTEN HDF5_DATA HDF5_OUTPUT HINGE_LOSS IM2COL IMAGE_DATA INFOGAIN_LOSS INNER_PRODUCT LRN
MEMORY_DATA MULTINOMIAL_LOGISTIC_LOSS MVN POOLING POWER RELU SIGMOID SIGMOID_CROSS_ENTROPY_LOSS SILENCE SOFTMAX
SOFTMAX_LOSS SPLIT SLICE TANH WINDOW_DATA THRESHOLD
"""

V1_PARAMS = """
accuracy_param { top_k: 5 } argmax_param { out_max_val: true } concat_param { concat_dim: 2 }
contrastive_loss_param { margin: 2 } convolution_param { num_output: 3 kernel_size: 5 weight_filler { std: 0.1 } }
data_param { source: "db" backend: LMDB } dropout_param { dropout_ratio: 0.3 } dummy_data_param { num: 1 channels: 2 }
eltwise_param { operation: PROD coeff: 1 coeff: -1 } exp_param { base: 2 } hdf5_data_param { source: "h" batch_size: 3 }
hdf5_output_param { file_name: "o" } hinge_loss_param { norm: L2 } image_data_param { source: "i" shuffle: true }
infogain_loss_param { source: "g" } inner_product_param { num_output: 10 } lrn_param { local_size: 3 }
memory_data_param { batch_size: 1 channels: 2 height: 3 width: 4 } mvn_param { across_channels: true }
pooling_param { pool: AVE kernel_size: 3 stride: 2 } power_param { power: 2 } relu_param { negative_slope: 0.1 }
sigmoid_param { engine: CAFFE } softmax_param { axis: 2 } slice_param { slice_point: 1 slice_point: 2 }
tanh_param { } threshold_param { threshold: 0.5 } window_data_param { fg_fraction: 0.5 }
transform_param { mean_value: 104 mirror: true } loss_param { ignore_label: 255 }
"""

V1_FIELDS = """
include { phase: TRAIN min_level: 1 stage: "a" } include { phase: TEST } exclude { not_stage: "b" }
blobs { num: 1 channels: 1 height: 2 width: 2 data: 1 data: 2 data: 3 data: 4 } blobs { shape { dim: 1 } data: 5 }
param: "w" param: "b" blob_share_mode: PERMISSIVE blob_share_mode: STRICT
blobs_lr: 1 blobs_lr: 2 blobs_lr: 3 weight_decay: 1 weight_decay: 0 loss_weight: 0.5 loss_weight: 2
"""

FILLERS = 'weight_filler { type: "xavier" } bias_filler { value: 1 }'
V0_LAYERS = {
    "accuracy": "",
    "bnll": "",
    "concat": "concat_dim: 0",
    "conv": f"num_output: 3 biasterm: false {FILLERS} pad: 1 kernelsize: 5 group: 2 stride: 4 "
    "blobs { num: 1 channels: 1 height: 1 width: 1 data: 2 } blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0",
    "data": 'source: "db" scale: 0.1 meanfile: "m" batchsize: 2 cropsize: 3 mirror: true rand_skip: 4',
    "dropout": "dropout_ratio: 0.3",
    "euclidean_loss": "",
    "flatten": "",
    "hdf5_data": 'source: "h" batchsize: 2',
    "hdf5_output": 'hdf5_output_param { file_name: "o" }',
    "im2col": "",
    "images": 'source: "i" batchsize: 2 rand_skip: 1 shuffle_images: true new_height: 5 new_width: 6 scale: 2',
    "infogain_loss": 'source: "g"',
    "innerproduct": f"num_output: 3 biasterm: true {FILLERS}",
    "lrn": "local_size: 3 alpha: 2 beta: 0.5 k: 3",
    "multinomial_logistic_loss": "",
    "pool": "pool: STOCHASTIC pad: 1 kernelsize: 3 stride: 2",
    "relu": "",
    "sigmoid": "",
    "softmax": "",
    "softmax_loss": "",
    "split": "",
    "tanh": "",
    "window_data": 'source: "w" meanfile: "m" batchsize: 2 det_fg_threshold: 0.1 det_bg_threshold: 0.2 '
    'det_fg_fraction: 0.3 det_context_pad: 4 det_crop_mode: "square"',
}
ALL_V0_FIELDS = f"""
num_output: 1 biasterm: true {FILLERS} pad: 1 kernelsize: 1 group: 1 stride: 1 pool: AVE dropout_ratio: 1 local_size: 1
alpha: 1 beta: 1 k: 1 source: "s" scale: 2 meanfile: "m" batchsize: 1 cropsize: 1 mirror: true rand_skip: 1
det_fg_threshold: 1 det_bg_threshold: 1 det_fg_fraction: 1 det_context_pad: 1 det_crop_mode: "c" new_num: 1
new_channels: 1 new_height: 1 new_width: 1 shuffle_images: true concat_dim: 1 hdf5_output_param {{ file_name: "o" }}
"""


def v0(kind, fields="", bottom="data", top=None):
    """A V0 layer."""
    tops = f'top: "{top or kind}"'
    return f'layers {{ bottom: "{bottom}" {tops} layer {{ name: "{kind}" type: "{kind}" {fields} }} }}\n'


def padded(reader, fields=""):
    """A V0 layer that reads a padding layer."""
    return v0("padding", "pad: 2", top="padded") + v0(reader, fields, bottom="padded")


DATA = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
OLD_TRANSFORM = 'scale: 0.1 mean_file: "m" crop_size: 3 mirror: true'
BATCH_NORM = 'layer { name: "bn" type: "BatchNorm" %s }'

NETS = {
    "v1 types": "".join(f'layers {{ name: "{kind}" type: {kind} top: "{kind}" }}\n' for kind in V1_TYPES.split()),
    "v1 params": f'layers {{ name: "all" type: RELU bottom: "a" top: "b" {V1_PARAMS} {V1_FIELDS} }}',
    "v1 untyped": 'name: "n" force_backward: true state { phase: TRAIN } debug_info: true layers { bottom: "x" }',
    "v1 data": "".join(
        f"layers {{ type: {kind} {param} {{ {OLD_TRANSFORM} }} transform_param {{ scale: 3 mean_value: 1 }} }}\n"
        for kind, param in {
            "DATA": "data_param",
            "IMAGE_DATA": "image_data_param",
            "WINDOW_DATA": "window_data_param",
        }.items()
    ),
    "v1 data, one old": "layers { type: DATA data_param { scale: 2 } } layers { type: IMAGE_DATA } layers { }",
    "v1 data, none old": 'layers { type: DATA data_param { source: "s" } } layers { type: IMAGE_DATA }',
    "v1 inputs": DATA + 'layers { type: RELU bottom: "data" top: "r" }',
    "v0 types": DATA + "".join(v0(kind, fields) for kind, fields in V0_LAYERS.items()),
    "v0 foreign fields": DATA + "".join(v0(kind, ALL_V0_FIELDS) for kind in V0_LAYERS),
    "v0 paddings": 'name: "n" force_backward: false\n'
    + DATA
    + padded("conv", "kernelsize: 5 pad: 9")
    + v0("pool", bottom="padded")
    + v0("relu", bottom="conv", top="conv"),
    "v0 and v1": DATA + v0("conv") + 'layers { name: "lost" type: RELU bottom: "conv" top: "conv" blobs_lr: 1 }',
    "input_shape": 'input: "a" input: "b" input_shape { dim: 2 dim: 3 } input_shape { dim: 4 } input_dim: 9 '
    'layer { name: "r" type: "ReLU" bottom: "a" top: "r" } layer { name: "s" type: "Silence" bottom: "b" }',
    "input_dim": DATA + 'input: "b" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4 layer { name: "x" }',
    "input alone": 'name: "caffemodel" input: "data" layer { name: "x" }',
    "batch norm": BATCH_NORM % "param { lr_mult: 1 } param { lr_mult: 2 name: 'v' } param { }"
    + BATCH_NORM % "param { lr_mult: 1 } param { lr_mult: 2 }",
    "current": 'name: "n" layer { name: "r" type: "ReLU" bottom: "a" top: "a" }',
}

REFUSED = {
    "both": ('layer { name: "a" } layers { name: "b" }', 'both "layer" and "layers"; rewrite the old ones'),
    "v0 type": (DATA + v0("convolve"), 'layer "convolve": unknown type "convolve" of the V0 format; known: accuracy, '),
    "v0 bottom": (v0("relu", bottom="nowhere"), 'layer "relu": no layer before it makes its bottom "nowhere"'),
    "padded relu": (DATA + padded("relu"), 'layer "relu" (relu) reads a padding layer; only conv and pool can'),
    "padded and another": (
        DATA + padded("conv").replace('bottom: "padded"', 'bottom: "padded" bottom: "data"'),
        'layer "conv", which reads a padding layer, needs 1 bottom, got 2',
    ),
    "two paddings in one": (
        DATA + padded("conv").replace('top: "padded"', 'top: "padded" top: "other"'),
        'padding layer "padding" needs 1 top, got 2',
    ),
    "padding of two": (
        DATA + padded("conv").replace('bottom: "data"', 'bottom: "data" bottom: "data"'),
        'padding layer "padding" needs 1 bottom, got 2',
    ),
}


def upgraded(tool, content, folder):
    """What real Caffe's tool makes of a file's bytes, None where it refuses; skipped without a Caffe, but in CI."""
    python = caffe_python()
    program = python and os.path.join(os.path.dirname(os.path.dirname(python)), "usr", "bin", tool)
    if not program or not os.path.exists(program):
        assert "CI" not in os.environ, f"no {tool} of a real Caffe"
        pytest.skip(f"no {tool}; `make caffe` installs one")
    old, new = folder / "old", folder / "new"
    old.write_bytes(content)
    env = {"PYTHONHOME": os.path.dirname(os.path.dirname(program)), "GLOG_minloglevel": "2"}
    subprocess.run([program, str(old), str(new)], env=env, check=False, stderr=subprocess.DEVNULL)
    return new.read_bytes() if new.exists() else None

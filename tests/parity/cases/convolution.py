"""Convolution and Deconvolution."""

from tests.parity.case import TEST, Case, normal

FILL = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 }'


def conv(param, *bottoms, kind="Convolution", **facts):
    return Case(kind, f"convolution_param {{ {param} {FILL} }}", bottoms, **facts)


def deconv(param, *bottoms, **facts):
    return conv(param, *bottoms, kind="Deconvolution", **facts)


BOTH = [
    ("num_output: 4 kernel_size: 3", normal(2, 3, 6, 5)),
    ("num_output: 4 kernel_size: 3 bias_term: false", normal(2, 3, 6, 5)),
    ("num_output: 4 kernel_size: 1", normal(2, 3, 5, 4)),
    ("num_output: 4 kernel_size: 1 stride: 2", normal(2, 3, 5, 4)),
    ("num_output: 4 kernel_size: 3 pad: 1 stride: 2", normal(2, 3, 6, 5)),
    ("num_output: 2 kernel_size: 3 kernel_size: 2 pad: 2 pad: 1 stride: 1 stride: 2", normal(1, 2, 7, 6)),
    ("num_output: 2 kernel_h: 3 kernel_w: 2 pad_h: 2 pad_w: 1 stride_h: 2 stride_w: 3", normal(2, 2, 7, 6)),
    ("num_output: 2 kernel_h: 1 kernel_w: 3 pad_w: 1 stride: 1", normal(2, 2, 4, 4)),
    ("num_output: 2 kernel_size: 3 dilation: 2", normal(2, 2, 7, 6)),
    ("num_output: 2 kernel_size: 2 dilation: [3, 1] pad: 1", normal(2, 2, 7, 6)),
    ("num_output: 6 kernel_size: 3 group: 2 pad: 1", normal(2, 4, 4, 5)),
    ("num_output: 6 kernel_size: 3 group: 3 bias_term: false", normal(2, 3, 4, 5)),
    ("num_output: 4 kernel_size: 2 stride: 2 group: 4", normal(2, 4, 4, 5)),
    ("num_output: 3 kernel_size: 2 engine: CAFFE force_nd_im2col: true", normal(2, 2, 4, 5)),
    ("num_output: 3 kernel_size: 3 pad: 1", normal(2, 3, 7)),
    ("num_output: 2 kernel_size: 2 stride: 2 dilation: 2 pad: 1", normal(1, 2, 5, 6, 4)),
    ("num_output: 4 kernel_size: [1, 2, 3] group: 2 bias_term: false", normal(2, 2, 3, 4, 5)),
    ("num_output: 2 kernel_size: 2 pad: 1 stride: 2", normal(2, 1, 3, 2, 3, 2)),
    ("num_output: 4 kernel_size: 2 group: 2 dilation: 2 bias_term: false", normal(1, 2, 3, 4, 3, 3)),
    ("num_output: 1 kernel_size: 2 axis: 0", normal(2, 2, 3, 2, 2, 3)),
    ("num_output: 3 kernel_size: 2 axis: 2", normal(2, 3, 2, 4, 5)),
    ("num_output: 3 kernel_size: 2 axis: -3", normal(2, 3, 4, 5)),
    ("num_output: 3 kernel_size: 2 axis: 0", normal(3, 4, 5)),
    ("num_output: 3 kernel_size: 2 axis: -2", normal(2, 3, 2, 5)),
    ("num_output: 3 kernel_size: 5", normal(2, 3)),
    ("num_output: 3 axis: -1", normal(2, 2, 4)),
    ("num_output: 1 kernel_size: 3", normal(1, 1, 3, 3)),
]

CASES = [
    *[conv(param, x) for param, x in BOTH],
    *[deconv(param, x) for param, x in BOTH],
    # A window larger than the map: C's division leaves one position, what is missing counts as zero.
    conv("num_output: 2 kernel_size: 4 stride: 2", normal(2, 2, 3, 3)),
    conv("num_output: 2 kernel_h: 2 kernel_w: 6 stride: 3 pad_w: 1", normal(2, 2, 4, 3)),
    conv("num_output: 2 kernel_size: 5 stride: 4 group: 2", normal(2, 2, 3, 3, 3)),
]
for make in (conv, deconv):
    several = normal(2, 3, 4, 4, seed=1), normal(2, 3, 4, 4, seed=2), normal(2, 3, 4, 4, seed=3)
    CASES += [
        make("num_output: 2 kernel_size: 3 pad: 1", *several, tops=3),
        make("num_output: 2 kernel_size: 3", *several, tops=3, down=[1]),
        make("num_output: 2 kernel_size: 3", normal(2, 3, 4, 4), down=[]),
        make("num_output: 2 kernel_size: 3 bias_term: false", normal(2, 3, 4, 4), phase=TEST),
        make("num_output: 3 kernel_size: 3 pad: 1", normal(2, 3, 4, 5), in_place=True),
        make("num_output: 3 kernel_size: 3 pad: 1 bias_term: false", normal(2, 3, 4, 5), in_place=True, down=[]),
    ]

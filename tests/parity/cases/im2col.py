"""Im2col."""

from tests.parity.case import Case, normal

CASES = [
    Case("Im2col", f"convolution_param {{ {param} }}", [x], exact=True)
    for param, x in [
        ("kernel_size: 3", normal(2, 3, 6, 5)),
        ("kernel_size: 2 stride: 3 pad: 2", normal(2, 2, 6, 5)),
        ("kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 1", normal(2, 2, 6, 5)),
        ("kernel_size: [2, 3] stride: [2, 1] pad: [1, 0] dilation: [1, 2]", normal(2, 2, 6, 7)),
        ("kernel_size: 3 dilation: 2 force_nd_im2col: true", normal(2, 2, 6, 5)),
        ("kernel_size: 3 pad: 1", normal(2, 3, 7)),
        ("kernel_size: 2 stride: 2 pad: 1 dilation: 2", normal(1, 2, 5, 6, 4)),
        ("kernel_size: 2", normal(1, 2, 3, 2, 3, 4)),
        ("kernel_size: 2 axis: 2", normal(2, 2, 3, 4, 3)),
        ("kernel_size: 2 axis: -3", normal(2, 3, 4, 3)),
        ("kernel_size: 2 axis: 0", normal(3, 4)),
        ("kernel_size: 4 stride: 2", normal(2, 2, 3, 3)),
        ("kernel_size: 1", normal(2, 3, 4, 4)),
    ]
]

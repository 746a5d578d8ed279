"""Batches of nothing, after others: what real Caffe computes there. Most types without a case here it refuses."""

import dataclasses

import numpy as np

from tests.parity.case import TEST, Case, integers, normal

RANDOM = 'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 }'
X, ROWS = normal(2, 3, 4, 5), normal(4, 3)
LABELS = integers(4, high=3)
WINDOW = f"convolution_param {{ num_output: 2 kernel_size: 3 pad: 1 {RANDOM} }}"


def empty(case, axis=0, only=None):
    """The case run on its bottoms, and then on none of an axis of them, or of some of them."""
    cut = range(len(case.bottoms)) if only is None else only
    bottoms = [np.take(x, [], axis) if i in cut else x for i, x in enumerate(case.bottoms)]
    return dataclasses.replace(case, bottoms=bottoms, before=case.bottoms)


CASES = [
    *[empty(Case(kind, "", [X])) for kind in ("ReLU", "ELU", "Sigmoid", "TanH", "BNLL", "PReLU", "Split")],
    *[empty(Case(kind, "", [X], in_place=True)) for kind in ("ReLU", "PReLU")],
    empty(Case("Clip", "clip_param { min: -1 max: 1 }", [X])),
    empty(Case("Threshold", "", [X], down=[])),
    empty(Case("Dropout", "", [X])),
    empty(Case("Dropout", "", [X], phase=TEST)),
    *[empty(Case("InnerProduct", f"inner_product_param {{ num_output: 2 {RANDOM} }}", [x])) for x in (ROWS, X)],
    empty(Case("InnerProduct", f"inner_product_param {{ num_output: 2 axis: 2 {RANDOM} }}", [X]), axis=1),
    *[
        empty(Case(kind, WINDOW, [x]))
        for kind in ("Convolution", "Deconvolution")
        for x in (normal(2, 3, 5), X, normal(2, 2, 3, 3, 3), normal(1, 2, 3, 2, 3, 2))
    ],
    empty(Case("Convolution", f"convolution_param {{ num_output: 2 kernel_size: 2 pad: 1 {RANDOM} }}", [X]), axis=3),
    empty(Case("Im2col", "convolution_param { kernel_size: 2 }", [X])),
    *[
        empty(Case("Pooling", f"pooling_param {{ pool: {method} kernel_size: 2 {more} }}", [X], phase=phase), axis)
        for method in ("MAX", "AVE")
        for more in ("", "stride: 2", "pad: 1")
        for axis in (0, 1)
        for phase in (0, TEST)
    ],
    empty(Case("SPP", "spp_param { pyramid_height: 1 pool: AVE }", [X])),
    empty(Case("Embed", f"embed_param {{ input_dim: 3 num_output: 2 {RANDOM} }}", [LABELS], down=[])),
    *[empty(Case("Concat", "concat_param { axis: 0 }", [ROWS, normal(2, 3)]), only=cut) for cut in ([0], [1], [0, 1])],
    empty(Case("Slice", "slice_param { axis: 1 }", [ROWS], tops=3)),
    empty(Case("Crop", "crop_param { axis: 1 }", [ROWS, normal(4, 2)], down=[0])),
    empty(Case("Tile", "tile_param { tiles: 2 }", [ROWS])),
    empty(Case("Flatten", "", [X])),
    empty(Case("Reshape", "reshape_param { shape { dim: 0 dim: 5 dim: 12 } }", [X])),
    *[
        empty(Case("ArgMax", f"argmax_param {{ {param} }}", [X], down=[]))
        for param in ("", "out_max_val: true", "axis: 1")
    ],
    empty(Case("BatchReindex", "", [ROWS, np.float32([1, 0, 3])], down=[0]), only=[1]),
    empty(Case("Reduction", "reduction_param { axis: 1 }", [ROWS])),
    empty(Case("Silence", "", [X], tops=0)),
]

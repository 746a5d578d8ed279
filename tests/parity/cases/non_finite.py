"""NaN and infinities among the values: where they come to, forward and backward.

Left out is what depends on the BLAS that Caffe was built with, which takes 0 times NaN for 0 or for NaN: Scale by 0,
Reduction with coeff 0, the beginnings of an RNN's sequences. docs/differences.md has the types that differ.
"""

import numpy as np

from tests.parity.case import TEST, Case, integers, normal

RANDOM = 'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 }'
LABELS = integers(4, high=3)


def among(*values, shape=(2, 3, 4, 5)):
    """Normal values, and among them these."""
    x = normal(*shape)
    x.flat[np.random.RandomState(1).permutation(x.size)[: 2 * len(values)]] = np.repeat(np.float32(values), 2)
    return x


NAN, INF = float("nan"), float("inf")
ALL = (NAN, INF, -INF)
LOSSES = {"SoftmaxWithLoss": ALL, "HingeLoss": (INF, -INF), "MultinomialLogisticLoss": ALL}
IGNORED = np.float32([0, 3, 1, 3])  # the second and the last
SCORES = normal(4, 5)
SCORES[1], SCORES[3, 2] = NAN, INF

CASES = [
    *[
        Case(kind, param, [among(*values)], in_place=in_place)
        for kind, param, values in (
            ("ReLU", "", [INF]),
            ("ReLU", "relu_param { negative_slope: 0.1 }", [INF, -INF]),
            ("ELU", "", [-INF]),
            *((kind, "", ALL) for kind in ("Sigmoid", "TanH", "BNLL", "Swish", "Exp", "Log", "Softmax")),
            ("Clip", "clip_param { min: -0.5 max: 0.5 }", [INF, -INF]),
            ("Power", "power_param { power: 2 scale: 3 shift: 1 }", ALL),
            ("Power", "power_param { power: 0 shift: 2 }", ALL),
            ("PReLU", "", [-INF]),
            ("Bias", "bias_param { filler { value: 2 } }", ALL),
            ("Scale", "scale_param { filler { value: 2 } bias_term: true }", ALL),
            ("MVN", "mvn_param { normalize_variance: false }", ALL),
        )
        for in_place in (False, True)
    ],
    Case("AbsVal", "", [among(*ALL)]),
    Case("Threshold", "", [among(*ALL)], down=[]),
    Case("Dropout", "", [among(*ALL)], phase=TEST),
    Case("MVN", "", [among(*ALL)]),
    *[Case("BatchNorm", "", [among(value)], phase=phase) for value in ALL for phase in (0, TEST)],
    *[
        Case(kind, f"convolution_param {{ num_output: 2 kernel_size: 3 {RANDOM} }}", [among(*ALL, shape=shape)])
        for kind in ("Convolution", "Deconvolution")
        for shape in ((2, 3, 4, 5), (2, 2, 3, 4, 5))
    ],
    *[Case("InnerProduct", f"inner_product_param {{ num_output: 3 {RANDOM} }}", [among(value)]) for value in ALL],
    *[
        Case("Eltwise", f"eltwise_param {{ {param} }}", [among(*values), normal(2, 3, 4, 5, seed=1)])
        for param, values in (
            ("operation: PROD", ALL),
            ("operation: PROD stable_prod_grad: false", ALL),
            ("operation: SUM", ALL),
            ("operation: SUM coeff: 0 coeff: 3", ALL),
            ("operation: SUM coeff: 2 coeff: 0", ALL),
            ("operation: SUM coeff: 0 coeff: 0", ALL),
            ("operation: MAX", [INF, -INF]),
        )
    ],
    *[
        Case("Pooling", f"pooling_param {{ {param} kernel_size: 2 }}", [among(*values)])
        for param, values in (("pool: AVE", ALL), ("pool: MAX", [INF]))
    ],
    Case("SPP", "spp_param { pyramid_height: 2 pool: AVE }", [among(*ALL, shape=(2, 3, 4, 4))]),
    Case("Im2col", "convolution_param { kernel_size: 2 }", [among(*ALL)]),
    *[
        Case("Reduction", f"reduction_param {{ operation: {operation} axis: {axis} }}", [among(value)])
        for operation in ("SUM", "ASUM", "SUMSQ", "MEAN")
        for axis in (0, 2)
        for value in ALL
    ],
    Case("ArgMax", "argmax_param { out_max_val: true top_k: 3 }", [among(INF, -INF)], down=[]),
    Case("BatchReindex", "", [among(*ALL), np.float32([1, 0, 1])], down=[0]),
    Case("Filter", "", [among(*ALL), np.float32([1, NAN])], down=[0]),
    Case("Concat", "", [among(*ALL), normal(2, 3, 4, 5)]),
    Case("Slice", "", [among(*ALL)], tops=3),
    Case("Crop", "crop_param { axis: 3 }", [among(*ALL), normal(2, 3, 4, 3)], down=[0]),
    Case("Tile", "tile_param { tiles: 2 }", [among(*ALL)]),
    Case("Split", "", [among(*ALL)], tops=2),
    *[
        Case(
            "LSTMUnit",
            "",
            [among(value, shape=(1, 3, 4)), among(value, shape=(1, 3, 16)), np.ones((1, 3), np.float32)],
            tops=2,
            down=[0, 1],
        )
        for value in ALL
    ],
    *[
        Case(kind, "", [among(value, shape=(4, 3)), LABELS], down=[0])
        for kind, values in LOSSES.items()
        for value in values
    ],
    *[Case("EuclideanLoss", "", [among(value, shape=(4, 3)), normal(4, 3)]) for value in ALL],
    Case("ContrastiveLoss", "", [among(*ALL, shape=(4, 3)), normal(4, 3), integers(4, high=2)], down=[0, 1]),
    Case("SigmoidCrossEntropyLoss", "", [among(NAN, shape=(4, 3)), integers(4, 3, high=2)], down=[0]),
    *[
        Case(kind, "loss_param { ignore_label: 3 }", [SCORES, IGNORED, *more], down=[0])
        for kind, more in (("SoftmaxWithLoss", ()), ("InfogainLoss", [normal(5, 5)]))
    ],
    Case("SigmoidCrossEntropyLoss", "loss_param { ignore_label: 3 }", [SCORES[:, :1], IGNORED[:, None]], down=[0]),
    Case("Accuracy", "accuracy_param { ignore_label: 3 }", [SCORES, IGNORED], down=[]),
    *[Case("Accuracy", "", [among(value, shape=(4, 3)), LABELS], tops=2, down=[]) for value in ALL],
]

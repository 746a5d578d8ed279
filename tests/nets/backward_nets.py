"""Nets that ask the backward plan every question, as prototxt text."""

import random

from caffe_pylayers._layer.phases import TEST, TRAIN
from caffe_pylayers._nets.include_rules import State


def layer(kind, name, bottom="", top="", more=""):
    """A layer block; ``bottom`` and ``top`` are names separated by blanks."""
    blobs = [f'bottom: "{blob}"' for blob in bottom.split()] + [f'top: "{blob}"' for blob in top.split()]
    return f'layer {{ type: "{kind}" name: "{name}" {" ".join(blobs)} {more} }}\n'


def probe(name, bottom="", top="", more="", blobs=0):
    """A Python layer that reports what it is told."""
    python = f'python_param {{ module: "real_plan" layer: "Probe" param_str: "{name} {blobs}" }}'
    return layer("Python", name, bottom, top, f"{python} {more}")


FILLER = 'weight_filler { type: "constant" value: 0.5 }'


def ip(name, bottom, top=None, more=""):
    return layer("InnerProduct", name, bottom, top or name, f"inner_product_param {{ num_output: 3 {FILLER} }} {more}")


def lr(*mults):
    return " ".join(f"param {{ lr_mult: {mult} }}" for mult in mults)


def inputs(**shapes):
    """Input blobs, ``x="2 3"``."""
    shape = " ".join("shape { " + " ".join(f"dim: {d}" for d in s.split()) + " }" for s in shapes.values())
    return layer("Input", "in", top=" ".join(shapes), more=f"input_param {{ {shape} }}")


XY = inputs(x="2 3", label="2")
SOFTMAX = layer("SoftmaxWithLoss", "loss", "b label", "loss")
FALSE, TRUE = "propagate_down: false", "propagate_down: true"
MAP = inputs(x="2 3 4 4")
SUM = layer("Reduction", "loss", "y", "loss", "loss_weight: 1")
SEQUENCE = inputs(x="4 2 3", cont="4 2", fixed="2 3", h="1 2 3", c="1 2 3")
CONV = "convolution_param { num_output: 2 kernel_size: 3 }"
STORED = "blobs { shape { dim: 2 } data: 1 data: 1 }"  # which these types drop
RECURRENT = 'recurrent_param { num_output: 3 weight_filler { type: "constant" value: 0.5 } }'
EXPOSED = RECURRENT.replace("num_output", "expose_hidden: true num_output")

NETS = {
    "two layers": XY + ip("a", "x") + ip("b", "a") + SOFTMAX,
    "first frozen": XY + ip("a", "x", more=lr(0, 0)) + ip("b", "a") + SOFTMAX,
    "only the weights frozen": XY + ip("a", "x", more=lr(0)) + ip("b", "a") + SOFTMAX,
    "last frozen": XY + ip("a", "x") + ip("b", "a", more=lr(0, 0)) + SOFTMAX,
    "all frozen": XY + ip("a", "x", more=lr(0, 0)) + ip("b", "a", more=lr(0, 0)) + SOFTMAX,
    "propagate_down false": XY + ip("a", "x") + ip("b", "a", more=FALSE) + SOFTMAX,
    "propagate_down true on data": XY + ip("a", "x", more=TRUE) + ip("b", "a") + SOFTMAX,
    "propagate_down false in the loss": XY + ip("b", "x") + SOFTMAX.replace("}", f"{FALSE} {FALSE} }}"),
    "propagate_down of frozen layers": XY + ip("a", "x", more=lr(0, 0) + TRUE) + probe("b", "a", "b", TRUE) + SOFTMAX,
    "in-place": XY + ip("b", "x") + layer("ReLU", "relu", "b", "b") + layer("Dropout", "drop", "b", "b") + SOFTMAX,
    "in-place, propagate_down false": XY + ip("b", "x") + layer("ReLU", "relu", "b", "b", FALSE) + SOFTMAX,
    "in-place, then read twice": XY
    + ip("b", "x")
    + layer("ReLU", "relu", "b", "b")
    + layer("Accuracy", "accuracy", "b label", "accuracy")
    + SOFTMAX,
    "one-hot label": XY
    + ip("b", "x")
    + probe("one_hot", "label b", "t")
    + layer("EuclideanLoss", "loss", "b t", "loss"),
    "Euclidean, both learned": XY + ip("a", "x") + ip("b", "x") + layer("EuclideanLoss", "loss", "a b", "loss"),
    "Python loss without weight": XY + ip("b", "x") + probe("loss", "b label", "loss"),
    "Python loss with weight": XY + ip("b", "x") + probe("loss", "b label", "loss", "loss_weight: 2"),
    "Python loss, two tops": XY + ip("b", "x") + probe("loss", "b label", "l m", "loss_weight: 0 loss_weight: 1"),
    "loss weight 0": XY + ip("b", "x") + SOFTMAX.replace("}", "loss_weight: 0 }"),
    "two losses": XY
    + ip("a", "x")
    + ip("b", "a")
    + SOFTMAX
    + layer("EuclideanLoss", "second", "a x", "second", "loss_weight: 0.5"),
    "one of two losses off": XY
    + ip("a", "x")
    + ip("b", "a")
    + SOFTMAX
    + ip("c", "a")
    + layer("EuclideanLoss", "second", "c x", "second", "loss_weight: 0"),
    "loss without a top": XY + ip("b", "x") + layer("SoftmaxWithLoss", "loss", "b label"),
    "loss weight in the middle": XY + ip("a", "x", more="loss_weight: 1") + ip("b", "a") + layer("Silence", "s", "b"),
    "loss weight in the middle, read twice": XY + ip("a", "x", more="loss_weight: 2") + ip("b", "a") + probe("p", "a"),
    "loss read by Silence": XY + ip("b", "x") + SOFTMAX + layer("Silence", "silence", "loss"),
    "weighted loss read by Silence": XY
    + ip("b", "x")
    + SOFTMAX.replace("}", "loss_weight: 1 }")
    + layer("Silence", "silence", "loss"),
    "Silence": XY + ip("b", "x") + ip("c", "x") + layer("Silence", "silence", "c") + SOFTMAX,
    "dead branch": XY + ip("a", "x") + ip("b", "a") + ip("c", "a") + ip("d", "c") + SOFTMAX,
    "learned and data path": XY + ip("a", "x") + layer("Eltwise", "b", "a x", "b") + SOFTMAX,
    "one blob read three times": XY + ip("a", "x") + layer("Eltwise", "b", "a a a", "b") + SOFTMAX,
    "shared, one reader refuses": XY
    + ip("a", "x")
    + ip("b", "a")
    + ip("c", "a", more=FALSE)
    + SOFTMAX
    + layer("EuclideanLoss", "second", "c x", "second"),
    "shared, all readers refuse": XY
    + ip("a", "x")
    + ip("b", "a", more=FALSE)
    + ip("c", "a", more=FALSE)
    + SOFTMAX
    + layer("EuclideanLoss", "second", "c x", "second"),
    "stopped further up": XY + ip("a", "x") + probe("p", "a", "p") + ip("b", "p", more=FALSE) + SOFTMAX,
    "metric in training": XY + ip("b", "x") + SOFTMAX + probe("metric", "b label", "metric"),
    "learned Python layer": XY + probe("a", "x", "a", blobs=1) + probe("b", "a", "b", lr(0), blobs=1) + SOFTMAX,
    "frozen Python layer": XY + probe("a", "x", "a", lr(0), blobs=1) + probe("b", "a", "b") + SOFTMAX,
    "half-frozen Python layer": XY + probe("b", "x", "b", lr(0), blobs=2) + SOFTMAX,
    "old input fields": 'input: "x" input_dim: [2, 3, 1, 1] input: "label" input_dim: [2, 1, 1, 1]\n'
    + ip("b", "x")
    + SOFTMAX,
    "force_backward": "force_backward: true\n" + XY + ip("a", "x", more=lr(0, 0)) + ip("b", "a") + SOFTMAX,
    "force_backward, EuclideanLoss": "force_backward: true\n"
    + XY
    + ip("a", "x")
    + layer("EuclideanLoss", "loss", "a x", "loss"),
    "force_backward, ContrastiveLoss": "force_backward: true\n"
    + XY
    + ip("a", "x")
    + layer("ContrastiveLoss", "loss", "a x label", "loss"),
    "force_backward and propagate_down": "force_backward: true\n"
    + XY
    + ip("a", "x")
    + ip("b", "a", more=FALSE)
    + SOFTMAX,
    "force_backward, Python loss": "force_backward: true\n" + XY + ip("b", "x") + probe("loss", "b label", "loss"),
    "force_backward, LSTM": "force_backward: true\n"
    + SEQUENCE
    + layer("LSTM", "y", "x cont fixed", "y", RECURRENT)
    + SUM,
    "force_backward, RNN": "force_backward: true\n" + SEQUENCE + layer("RNN", "y", "x cont", "y", RECURRENT) + SUM,
    "force_backward, LSTMUnit": "force_backward: true\n"
    + inputs(c="1 2 3", g="1 2 12", cont="1 2")
    + layer("LSTMUnit", "unit", "c g cont", "d y")
    + SUM,
}


def learned_nets():
    """Nets with one layer of each type that learns, all of its blobs frozen and all but the last."""
    sequence = 'layer { type: "Silence" name: "rest" bottom: "fixed" bottom: "h" bottom: "c" }\n'
    types = [
        ("Convolution", 2, "x", CONV),
        ("Convolution", 1, "x", CONV.replace("}", "bias_term: false }")),
        ("Deconvolution", 2, "x", CONV),
        ("InnerProduct", 2, "x", "inner_product_param { num_output: 2 }"),
        ("InnerProduct", 1, "x", "inner_product_param { num_output: 2 bias_term: false }"),
        ("Embed", 2, "x", "embed_param { num_output: 2 input_dim: 5 }"),
        ("Embed", 1, "x", "embed_param { num_output: 2 input_dim: 5 bias_term: false }"),
        ("PReLU", 1, "x", ""),
        ("Scale", 1, "x", ""),
        ("Scale", 2, "x", "scale_param { bias_term: true }"),
        ("Scale", 1, "x x", "scale_param { axis: 0 bias_term: true }"),
        ("Bias", 1, "x", ""),
        ("Parameter", 1, "", "parameter_param { shape { dim: 2 } }"),
        ("LSTM", 3, "x cont", RECURRENT),
        ("LSTM", 4, "x cont fixed", RECURRENT),
        ("LSTM", 3, "x cont h c", EXPOSED),
        ("LSTM", 4, "x cont fixed h c", EXPOSED),
        ("RNN", 5, "x cont", RECURRENT),
        ("RNN", 6, "x cont fixed", RECURRENT),
        ("RNN", 5, "x cont h", EXPOSED),
        ("LSTM", 3, "x cont", f"{RECURRENT} {STORED}"),
        ("RNN", 5, "x cont", f"{RECURRENT} {STORED}"),
    ]
    for i, (kind, blobs, bottom, more) in enumerate(types):
        data = SEQUENCE + sequence if "cont" in bottom else MAP
        top = {EXPOSED: "y yh yc" if kind == "LSTM" else "y yh"}.get(more, "y")
        for frozen in (blobs, blobs - 1):
            yield (
                f"{kind} {i}, {frozen} of {blobs} frozen",
                data + layer(kind, "l", bottom, top, f"{more} {lr(*[0] * frozen)}") + SUM,
            )
    for kind in ("Scale", "Bias"):
        yield f"{kind} of two bottoms", MAP + layer(kind, "y", "x x", "y", f"{kind.lower()}_param {{ axis: 0 }}") + SUM
    for params in ("", lr(0), lr(0, 0), lr(0, 0, 0), lr(1, 1, 1)):
        yield f"BatchNorm, {params or 'no param'}", MAP + layer("BatchNorm", "bn", "x", "y", params) + SUM


NETS.update(learned_nets())


def random_net(rng):
    """Probes wired at random, up to ten of them, in place here and there."""
    text = "force_backward: true\n" if rng.random() < 0.15 else ""
    blobs, read = [], set()
    for i in range(rng.randint(2, 9)):
        bottoms = [
            rng.choice(blobs[-3:] if rng.random() < 0.6 else blobs) for _ in range(rng.randint(0, 3) if i else 0)
        ]
        tops = []
        for j in range(rng.randint(0, 2) if i else 1):
            in_place = j < len(bottoms) and bottoms.count(bottoms[j]) == 1 and bottoms[j] not in read
            tops.append(bottoms[j] if in_place and rng.random() < 0.3 else f"b{i}_{j}")
        learned = rng.choice((0, 0, 1, 2))
        more = lr(*rng.choices((0, 1), k=rng.randint(0, learned)))
        if rng.random() < 0.3:
            more += "".join(f" {rng.choice((FALSE, TRUE))}" for _ in bottoms)
        if rng.random() < 0.35:
            more += "".join(f" loss_weight: {rng.choice((0, 1, 2))}" for _ in tops)
        text += probe(f"l{i}", " ".join(bottoms), " ".join(tops), more, learned)
        read |= {*bottoms, *tops} if "loss_weight" in more else {*bottoms} - {*tops}
        blobs += [top for top in tops if top not in blobs]
    loss = " ".join(rng.choice(blobs[-4:]) for _ in range(rng.randint(1, 3)))
    return text + probe("loss", loss, "loss", "loss_weight: 1" if rng.random() < 0.8 else "")


RANDOM = [random_net(random.Random(seed)) for seed in range(300)]
STAGED = (
    XY
    + "".join(
        ip(name, bottom, top, rules)
        for name, bottom, top, rules in [
            ("train", "x", "b", "include { phase: TRAIN }"),
            ("test", "x", "b", "include { phase: TEST max_level: 1 }"),
            ("deep", "x", "b", "include { phase: TEST min_level: 2 }"),
            ("staged", "b", "c", 'include { stage: "s" stage: "t" } include { stage: "u" not_stage: "s" }'),
            ("unstaged", "b", "d", 'exclude { stage: "s" } exclude { phase: TEST level_unused }'),
        ]
    ).replace("level_unused", "min_level: 2")
    + SOFTMAX
)
STATES = [
    State(phase, level, stages)
    for phase in (TRAIN, TEST)
    for level in (0, 1, 2)
    for stages in ((), ("s",), ("s", "t"), ("u",), ("s", "u"))
]

REFUSED = {
    "unknown bottom": (
        XY + ip("a", "y"),
        'layer "a" (InnerProduct): no layer before it makes its bottom "y"',
    ),
    "top made twice": (
        XY + ip("a", "x") + ip("b", "x", "a"),
        'layer "b" (InnerProduct): its top "a" is an earlier layer\'s; '
        'to work in place it must be the only layer that reads "a"',
    ),
    "in place over a shared blob": (
        XY + ip("a", "x") + ip("b", "a") + layer("ReLU", "relu", "a", "a"),
        'layer "relu" (ReLU): its top "a" is an earlier layer\'s; '
        'to work in place it must be the only layer that reads "a"',
    ),
    "propagate_down per bottom": (
        XY + ip("b", "x") + SOFTMAX.replace("}", f"{FALSE} }}"),
        'layer "loss" (SoftmaxWithLoss): 1 propagate_down for 2 bottoms',
    ),
    "loss_weight per top": (
        XY + ip("b", "x", more="loss_weight: 1 loss_weight: 1"),
        'layer "b" (InnerProduct): 2 loss_weight for 1 tops',
    ),
    "loss_weight per top of a loss": (
        XY + ip("b", "x") + layer("SoftmaxWithLoss", "loss", "b label", "loss probability"),
        'layer "loss" (SoftmaxWithLoss): 0 loss_weight for 2 tops',
    ),
    "too many param blocks": (
        XY + ip("b", "x", more=lr(1, 1, 1)),
        'layer "b" (InnerProduct): 3 param blocks for 2 learned blobs',
    ),
    "include and exclude": (
        XY + ip("b", "x", more="include { phase: TRAIN } exclude { phase: TEST }"),
        'layer "b" (InnerProduct): both include and exclude; Caffe takes one of them',
    ),
}

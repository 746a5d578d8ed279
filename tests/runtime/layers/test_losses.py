"""Losses and Accuracy: their refusals, and channels-last bottoms."""

import numpy as np
import pytest
import torch

from caffe_pylayers.runtime.layers import softmax as softmax_layer
from caffe_pylayers.runtime.layers.layer import LayerError
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST
from tests.parity.cases import accuracy, euclidean_loss, infogain_loss, sigmoid_cross_entropy, softmax, softmax_loss
from tests.runtime.layers.one_layer import one_layer

TABLES = (accuracy, euclidean_loss, infogain_loss, sigmoid_cross_entropy, softmax, softmax_loss)
INFOGAIN = 'infogain_loss_param { source: "%s" }'
LABELLED = ("SoftmaxWithLoss", "HingeLoss", "MultinomialLogisticLoss")


@pytest.mark.parametrize(
    ("kind", "param", "shapes", "message"),
    [
        ("Softmax", "softmax_param { axis: 2 }", [(2, 3)], r"axis must be in \[-2, 2\) for bottom\[0\] .*, got 2"),
        *[
            (kind, "", [(4, 3), (5, 3)], r"bottom\[0\] and bottom\[1\] must have the same first size, got .*\(5, 3\)")
            for kind in (*LABELLED, "SigmoidCrossEntropyLoss", "EuclideanLoss")
        ],
        ("SoftmaxWithLoss", "", [(4, 3), ()], r"bottom\[0\] and bottom\[1\] must have the same first size, .*"),
        (
            "SoftmaxWithLoss",
            "",
            [(4, 3), (4, 2)],
            r"bottom\[1\] must have 4 labels, one for each .*, got shape \(4, 2\)",
        ),
        ("SoftmaxWithLoss", "softmax_param { axis: -3 }", [(4, 3), (4,)], r"axis must be in \[-2, 2\) .*, got -3"),
        ("Accuracy", "", [(4, 3), (5,)], r"bottom\[1\] must have 4 labels, .*, got shape \(5,\)"),
        ("Accuracy", "accuracy_param { top_k: 4 }", [(4, 3), (4,)], r"top_k 4 is more than the 3 classes of \(4, 3\)"),
        ("SigmoidCrossEntropyLoss", "", [(4, 3), (4, 2)], r"bottom\[1\] must have 12 targets .*, got shape \(4, 2\)"),
        ("EuclideanLoss", "", [(4, 3), (4, 2)], r".* as many values per item, got shapes \(4, 3\) and \(4, 2\)"),
        ("EuclideanLoss", "", [(1,) * 5, (1,) * 5], r"bottom\[0\] must have at most 4 axes, got shape .*"),
        ("HingeLoss", "", [(1,) * 5, (1,)], r"bottom\[0\] must have at most 4 axes, got shape .*"),
        ("HingeLoss", "", [(0, 3), (0,)], r"bottom\[0\] and bottom\[1\] must not be empty, got .*"),
        ("MultinomialLogisticLoss", "", [(4, 3), (4, 2)], r"bottom\[1\] must have one label for each .*, got \(4, 2\)"),
        ("ContrastiveLoss", "", [(4, 3), (4, 2), (4,)], r"bottom\[1\] must have shape \(N, 3\), got \(4, 2\)"),
        ("ContrastiveLoss", "", [(4, 3, 2), (4, 3, 2), (4,)], r"bottom\[0\] must have shape \(N, 3\), got \(4, 3, 2\)"),
        ("ContrastiveLoss", "", [(4, 3), (4, 3), (4, 2)], r"bottom\[2\] must have shape \(N, 1\), got \(4, 2\)"),
        ("ContrastiveLoss", "", [(4, 3), (4, 3), (3,)], r"bottom\[2\] must have 4 values, got shape \(3,\)"),
        ("InfogainLoss", "", [(4, 3), (4,)], "needs its matrix: a source, or a third bottom"),
        ("InfogainLoss", INFOGAIN % "/none", [(4, 3), (4,)], "source: .*No such file or directory: '/none'"),
        ("InfogainLoss", "", [(4, 3), (4,), (3, 2)], r"bottom\[2\] must have 3 \* 3 values, .*, got \(3, 2\)"),
        ("InfogainLoss", "loss_param { normalize: true }", [(4, 3), (4,), (3, 3)], ".* normalize; use normalization"),
    ],
)
def test_refused(kind, param, shapes, message):
    with pytest.raises(LayerError, match=f'^layer "l" \\({kind}\\): {message}$'):
        one_layer(kind, param, *shapes)


def test_softmax_loss_has_one_top():
    with pytest.raises(LayerError, match=r"has two tops, which Caffe never accepts.* add a Softmax"):
        one_layer("SoftmaxWithLoss", "loss_weight: 1 loss_weight: 0", (4, 3), (4,), tops=2)


def test_infogain_file(tmp_path):
    path = tmp_path / "h.binaryproto"
    path.write_bytes(b"\x07\x08")
    with pytest.raises(LayerError, match=r"source: .*h\.binaryproto is not a BlobProto: "):
        one_layer("InfogainLoss", INFOGAIN % path, (4, 3), (4,))
    path.write_bytes(bytes.fromhex("3a020803") + bytes.fromhex("2a04") + np.float32(1).tobytes())
    with pytest.raises(LayerError, match=r"source: .* is not a BlobProto: shape \(3,\) needs 3 values, got 1"):
        one_layer("InfogainLoss", INFOGAIN % path, (4, 3), (4,))


@pytest.mark.parametrize(
    ("kind", "shapes", "index", "what"),
    [
        *[(kind, [(4, 3), (4,)], 1, "labels") for kind in LABELLED],
        ("SigmoidCrossEntropyLoss", [(4, 3), (4, 3)], 1, "targets"),
        ("InfogainLoss", [(4, 3), (4,), (3, 3)], 1, "labels"),
        ("InfogainLoss", [(4, 3), (4,), (3, 3)], 2, "matrix"),
    ],
)
def test_no_gradient_for_labels(kind, shapes, index, what):
    layer, bottom, top = one_layer(kind, "", *shapes)
    layer.forward(bottom, top)
    wanted = [i == index for i in range(len(shapes))]
    with pytest.raises(LayerError, match=rf"cannot backpropagate to bottom\[{index}\], the {what}$"):
        layer.backward(top, wanted, bottom)


def test_accuracy_has_no_gradient():
    layer, bottom, top = one_layer("Accuracy", "", (4, 3), (4,))
    layer.backward(top, [False, False], bottom)
    with pytest.raises(LayerError, match="has no gradient: it cannot be a loss"):
        layer.backward(top, [True, False], bottom)


@pytest.mark.parametrize("label", [3, -1, 255, np.nan])
@pytest.mark.parametrize("kind", [*LABELLED, "InfogainLoss", "Accuracy"])
def test_label_outside(kind, label):
    hint = "" if kind in ("HingeLoss", "MultinomialLogisticLoss") else "; ignore_label leaves one out"
    layer, bottom, top = one_layer(kind, "", (4, 3), (4,), *[(3, 3)] * (kind == "InfogainLoss"))
    bottom[1].data[2] = label
    with pytest.raises(LayerError, match=rf"bottom\[1\]: label -?\d+ at index 2 is outside \[0, 3\){hint}$"):
        layer.forward(bottom, top)


def test_the_ignored_label_may_be_any():
    layer, bottom, top = one_layer("SoftmaxWithLoss", "loss_param { ignore_label: 255 }", (4, 3), (4,))
    bottom[1].data[...] = [255, 0, 255, 1]
    layer.forward(bottom, top)
    assert top[0].data == pytest.approx(np.log(3))
    bottom[1].data[0] = 254
    with pytest.raises(LayerError, match="label 254 at index 0 is outside"):
        layer.forward(bottom, top)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{table.__name__.rpartition('.')[2]}{i}")
        for table in TABLES
        for i, case in enumerate(table.CASES)
        if case.bottoms[0].ndim == 4 and not case.in_place and case.tops and case.type != "ContrastiveLoss"
    ],
)
def test_channels_last(case):
    """The same in both layouts, and the gradient in the layout of the bottom."""
    found = []
    for layout in (None, CHANNELS_LAST):
        param = f"{case.param} loss_weight: 1" if "loss_weight" not in case.param else case.param
        layer, bottom, top = one_layer(case.type, param, *(x.shape for x in case.bottoms), tops=case.tops)
        for blob, values in zip(bottom, case.bottoms):
            blob.data[...] = values
        if layout:
            values = bottom[0].read()
            bottom[0].write(layout).copy_(values)
        top[0].diff[...] = 3.7 if not top[0].shape else np.random.RandomState(1).standard_normal(top[0].shape)
        if layout and top[0].shape:
            values = top[0].read_diff()
            top[0].write_diff(layout).copy_(values)
        layer.forward(bottom, top)
        if case.type != "Accuracy":
            layer.backward(top, [True] + [False] * (len(bottom) - 1), bottom)
            pairs = case.type in ("EuclideanLoss", "SigmoidCrossEntropyLoss")
            if layout and not (pairs and bottom[1].shape != bottom[0].shape):
                assert bottom[0].diff_layout == layout
        found.append([np.array(blob.data) for blob in top] + [np.array(bottom[0].diff)])
    for contiguous, channels_last in zip(*found):
        np.testing.assert_allclose(channels_last, contiguous, 1e-5, 1e-6)


def test_a_scalar_has_one_of_everything():
    """As Caffe's num() says; found by chance as the third bottom."""
    layer, bottom, top = one_layer("ContrastiveLoss", "", (1, 1), (1, 1), ())
    bottom[0].data[...], bottom[2].data[...] = 2, 1
    layer.forward(bottom, top)
    assert top[0].data == 2  # similar: the squared distance, halved


@pytest.mark.parametrize(("shape", "axis"), [((1, 3000, 2), 2), ((2, 2, 40, 60), 1)])
def test_softmax_of_many_rows_of_few_values(shape, axis):
    x = torch.randn(shape) * 50
    layout = torch.channels_last if axis == 1 else torch.contiguous_format
    x = x.contiguous(memory_format=layout)
    found = torch.empty_like(x)
    softmax_layer.softmax(x, axis, found)
    torch.testing.assert_close(found, torch.softmax(x.double(), axis).float())

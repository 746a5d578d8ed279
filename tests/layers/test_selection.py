"""SelectRows, Mask, ArgMaxLabels: values by hand, PyTorch's numbers, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.one_hot import label2one_hot
from caffe_pylayers.selection import ArgMaxLabels, Mask, SelectRows
from caffe_pylayers.testing import LayerRun

ROWS = np.arange(12.0).reshape(4, 3)


def test_rows_by_label():
    run = LayerRun(SelectRows, [ROWS, [5, -1, 0, -1], [1, 2, 3, 4]], tops=3)
    rows, labels, more = run.forward()
    np.testing.assert_array_equal(rows, ROWS[[0, 2]])
    assert (labels.tolist(), more.tolist()) == ([5, 0], [1, 3])
    d_rows, d_labels, d_more = run.backward([np.ones((2, 3)), [9, 9], [7, 8]])
    np.testing.assert_array_equal(d_rows, [[1] * 3, [0] * 3, [1] * 3, [0] * 3])
    assert (d_labels.tolist(), d_more.tolist()) == ([0] * 4, [7, 0, 8, 0])


def test_rows_of_some_labels():
    run = LayerRun(SelectRows, [ROWS, [5, 3, 0, 5]], param_str="labels: [5, 0, -1]", tops=2)
    assert run.forward()[1].tolist() == [5, 0, 5]


def test_no_row_chosen_is_a_row_that_is_ignored():
    run = LayerRun(SelectRows, [ROWS, [7] * 4], param_str="ignore_label: 7", tops=2)
    rows, labels = run.forward()
    assert (rows.tolist(), labels.tolist()) == ([[0] * 3], [7])
    assert not run.backward([np.ones((1, 3)), [1]])[0].any()
    run.bottom[1].data[2] = 1
    assert run.forward()[0].tolist() == [[6, 7, 8]]


NET = """
force_backward: true
layer { name: "in" type: "Input" top: "x" top: "label" input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }
layer {
  name: "select" type: "Python" bottom: "x" bottom: "label" top: "rows" top: "rows_label"
  python_param { module: "caffe_pylayers.selection" layer: "SelectRows" }
}
layer {
  name: "ip" type: "InnerProduct" bottom: "rows" top: "ip"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } }
}
layer {
  name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "rows_label" top: "loss" loss_param { ignore_label: -1 }
}
"""


def test_layers_after_it_follow_the_number_of_rows(tmp_path):
    if not _engine.available():
        pytest.skip("needs a caffe")
    (tmp_path / "net.prototxt").write_text(NET)
    net = _engine.caffe().Net(str(tmp_path / "net.prototxt"), 0)
    net.blobs["x"].data[...] = ROWS
    for labels, rows in (([0, -1, -1, 2], [0, 3]), ([-1] * 4, []), ([1, 1, 1, -1], [0, 1, 2])):
        net.blobs["label"].data[...] = labels
        loss = float(net.forward()["loss"])
        net.backward()
        assert net.blobs["ip"].data.shape == (max(len(rows), 1), 6)
        assert (loss > 0) == bool(rows)
        assert sorted(set(net.blobs["x"].diff.nonzero()[0])) == rows


@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 3, 1), (4, 1, 2), (1, 3)])
@pytest.mark.parametrize("fill", [0, -3.5])
def test_mask(shape, fill):
    torch = pytest.importorskip("torch")
    whole = (*shape, *(1,) * (3 - len(shape)))
    values, mask = (torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((4, 3, 2), shape))
    expected = torch.lerp(torch.full_like(values, fill), values, mask.reshape(whole).expand(4, 3, 2))
    d_top = torch.randn_like(expected)
    expected.backward(d_top)
    run = LayerRun(Mask, [values.detach().numpy(), mask.detach().numpy()], param_str=f"fill_value: {fill}")
    np.testing.assert_allclose(run.forward()[0], expected.detach(), rtol=1e-12)
    for ours, theirs in zip(run.backward([d_top.numpy()]), (values.grad, mask.grad)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_a_mask_leaves_out_may_be_anything(value):
    run = LayerRun(Mask, [[[value, 2]], [[0, 1]]], param_str="fill_value: 3")
    np.testing.assert_array_equal(run.forward()[0], [[3, 2]])
    np.testing.assert_array_equal(run.backward([[[1, 1]]])[0], [[0, 1]])


def test_mask_in_place():
    values, mask = np.random.RandomState(1).rand(2, 4, 3)
    apart, run = (LayerRun(Mask, [values, mask], param_str="fill_value: 2") for _ in range(2))
    (masked,) = apart.forward()
    run.layer.forward(run.bottom, run.bottom[:1])
    np.testing.assert_array_equal(run.bottom[0].data, masked)
    run.bottom[0].diff[...] = 2
    run.layer.backward(run.bottom[:1], [True, True], run.bottom)
    for blob, diff in zip(run.bottom, apart.backward([np.full((4, 3), 2.0)])):
        np.testing.assert_array_equal(blob.diff, diff)


def test_argmax_is_the_inverse_of_one_hot():
    labels = np.random.RandomState(1).randint(0, 5, (3, 2, 4))
    codes = LayerRun(label2one_hot, [labels], param_str='{"num_classes": 5}').forward()[0]
    np.testing.assert_array_equal(LayerRun(ArgMaxLabels, [codes]).forward()[0], labels)


def test_argmax_takes_the_first_of_equal_scores_and_ignores_low_ones():
    scores = [[1, 3, 3], [2, 2, 2], [0, 0, 1.9]]
    assert LayerRun(ArgMaxLabels, [scores]).forward()[0].tolist() == [1, 0, 2]
    run = LayerRun(ArgMaxLabels, [scores], param_str="{threshold: 2, ignore_label: 255, keepdims: true}")
    assert run.forward()[0].tolist() == [[1], [0], [255]]


@pytest.mark.parametrize(
    ("layer", "shapes", "tops", "param_str", "message"),
    [
        (SelectRows, [(4, 3), (3,)], 2, "", r"needs features \(N, ...\), labels \(N,\) and .*, got shapes \[\(4, 3\)"),
        (SelectRows, [(4, 3), (4, 2)], 2, "", r"got shapes \[\(4, 3\), \(4, 2\)\]"),
        (SelectRows, [(4, 3), (4,), (4,)], 2, "", r"needs 3 tops \(features, labels, more\), got 2"),
        (Mask, [(4, 3), (3,)], 1, "", r"bottom\[1\] \(mask\) must have the shape of bottom\[0\] \(features\)"),
        (ArgMaxLabels, [(4,)], 1, "", r"axis 1 is outside bottom\[0\] \(scores\) of shape \(4,\)"),
        (ArgMaxLabels, [(4, 0)], 1, "", r"must have a class or more on axis 1, got shape \(4, 0\)"),
    ],
)
def test_refused(layer, shapes, tops, param_str, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: .*{message}"):
        LayerRun(layer, list(map(np.zeros, shapes)), tops=tops, param_str=param_str)

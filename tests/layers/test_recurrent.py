"""LSTM and its marks: PyTorch's numbers, those of Caffe's own LSTM, values by hand, and what they refuse."""

import numpy as np
import pytest

from caffe_pylayers import _engine
from caffe_pylayers.recurrent import LSTM, ContinuationIndicator
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(3)
T, N, K, D = 5, 3, 4, 6
X, D_Y = rng.standard_normal((T, N, K)), rng.standard_normal((T, N, D))
CONT = np.array([[0, 0, 0], [1, 0, 1], [1, 1, 1], [0, 1, 1], [1, 1, 0]])


def lstm(*bottoms, text=""):
    text = f"{{num_output: {D}, filler: uniform, filler_value: 0.9, bias: 0.2, {text}}}"
    return LayerRun(LSTM, bottoms, param_str=text)


def test_by_hand():
    x = np.array([[[1.0, 2]], [[0, 1]]])
    for cont, expected in (((), [-0.3101, -0.36608]), (([[0], [0]],), [-0.3101, -0.16597])):
        run = LayerRun(LSTM, [x, *cont], param_str="num_output: 1")
        values = [[1, 0], [0, 1], [1, 1], [0.5, -0.5]], [[0.1], [0.2], [0.3], [0.4]], [0, 1, 0, 0]
        for blob, value in zip(run.layer.blobs, values):
            blob.data[...] = value
        assert run.forward()[0].ravel() == pytest.approx(expected, abs=1e-5)


def test_pytorchs_lstm():
    torch = pytest.importorskip("torch")
    run = lstm(X)
    y, (d_x,) = run.forward()[0], run.backward([D_Y])
    theirs = torch.nn.LSTM(K, D).double()
    order = np.concatenate([np.arange(D) + gate * D for gate in (0, 1, 3, 2)])  # i, f, g, o there
    weights, recurrent, bias = run.layer.blobs
    with torch.no_grad():
        theirs.weight_ih_l0[...] = torch.tensor(weights.data[order])
        theirs.weight_hh_l0[...] = torch.tensor(recurrent.data[order])
        theirs.bias_ih_l0[...] = torch.tensor(bias.data[order])
        theirs.bias_hh_l0.zero_()
    x = torch.tensor(X, requires_grad=True)
    expected = theirs(x)[0]
    expected.backward(torch.tensor(D_Y))
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-12)
    np.testing.assert_allclose(d_x, x.grad, rtol=1e-10, atol=1e-14)
    for blob, parameter in ((weights, "weight_ih"), (recurrent, "weight_hh"), (bias, "bias_ih")):
        grad = getattr(theirs, f"{parameter}_l0").grad
        np.testing.assert_allclose(blob.diff[order], grad, rtol=1e-10, atol=1e-13)


def test_steps_and_streams_in_one_axis():
    apart, one = lstm(X, CONT), lstm(X.reshape(T * N, K), CONT.reshape(-1), text=f"batch_size: {N}")
    np.testing.assert_array_equal(one.forward()[0], apart.forward()[0].reshape(T * N, D))
    np.testing.assert_array_equal(one.backward([D_Y.reshape(T * N, D)])[0], apart.backward([D_Y])[0].reshape(T * N, K))
    np.testing.assert_array_equal(one.layer.blobs[1].diff, apart.layer.blobs[1].diff)
    with pytest.raises(ValueError, match=r"LSTM: bottom\[0\] \(x\) must have a multiple of 4 rows, got 15"):
        lstm(X.reshape(T * N, K), text="batch_size: 4")


NET = """
force_backward: true
input: "x" input_shape {{ dim: {T} dim: {N} dim: {K} }} input: "cont" input_shape {{ dim: {T} dim: {N} }}
layer {{ name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "y" propagate_down: true propagate_down: false
  recurrent_param {{ num_output: {D} }} }}
"""


def test_caffes_own_lstm(tmp_path):
    caffe = _engine.caffe() if _engine.available() else pytest.skip("no caffe here")
    (tmp_path / "net.prototxt").write_text(NET.format(T=T, N=N, K=K, D=D))
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TRAIN)
    run = lstm(X, CONT)
    ours = [run.layer.blobs[i] for i in (0, 2, 1)]  # Caffe's blobs are W, b, U
    for theirs, blob in zip(net.params["lstm"], ours):
        theirs.data[...] = blob.data
    net.blobs["x"].data[...] = X
    for first in (0, 1):  # the second goes on where the first has ended
        net.blobs["cont"].data[...] = run.bottom[1].data[...] = np.concatenate([np.full((1, N), first), CONT[1:]])
        net.forward()
        assert run.forward()[0] == pytest.approx(net.blobs["y"].data, abs=1e-5)
    net.blobs["y"].diff[...] = D_Y
    net.backward()
    assert run.backward([D_Y])[0] == pytest.approx(net.blobs["x"].diff, abs=1e-4)
    for theirs, blob in zip(net.params["lstm"], ours):
        assert blob.diff == pytest.approx(theirs.diff, abs=1e-4)


def test_two_halves_are_the_whole():
    whole = lstm(X).forward()[0]
    run = lstm(X[:2], CONT[:2])
    run.bottom[1].data[1] = 1
    first = run.forward()[0].copy()
    assert first == pytest.approx(whole[:2])
    run.bottom[0].data[...], run.bottom[1].data[...] = X[2:4], 1
    assert run.forward()[0] == pytest.approx(whole[2:4])


def test_a_sequence_begins_without_what_was_before():
    run = lstm(X[:2], CONT[:2] * 0)
    expected = run.forward()[0].copy()
    first = run.backward([D_Y[:2]])[0][0].copy()
    run.bottom[0].data[...] = np.nan
    run.forward()
    run.bottom[0].data[...] = X[:2]
    assert np.array_equal(run.forward()[0], expected)
    assert np.array_equal(run.backward([np.array([D_Y[0], D_Y[1] * np.nan])])[0][0], first)


def test_the_gates_gradients_are_cut():
    run, cut = (lstm(X[:1], text=text) for text in ("", "clipping_threshold: 0.01"))
    for each in (run, cut):
        each.forward()
        each.backward([D_Y[:1]])
    assert abs(run.layer.blobs[2].diff).max() > 3 * 0.01
    assert abs(cut.layer.blobs[2].diff).max() <= 3 * 0.01 + 1e-12  # the sum over three streams


def test_steps_of_no_values():
    run = LayerRun(LSTM, [np.zeros((T, N, 0))], param_str="{num_output: 2, bias: 1}")
    y = run.forward()[0]
    run.backward([np.ones_like(y)])
    i = 1 / (1 + np.exp(-1))
    assert y[0] == pytest.approx(i * np.tanh(i * np.tanh(1)))
    assert run.layer.blobs[0].diff.shape == (8, 0)


def test_marks():
    assert LayerRun(ContinuationIndicator, [X]).forward()[0].tolist() == [[0] * N, *[[1] * N] * (T - 1)]


@pytest.mark.parametrize(
    ("layer", "bottoms", "text", "message"),
    [
        (LSTM, [X[0, 0]], "num_output: 2", r"bottom\[0\] \(x\) must have the shape \(T, N, ...\), .* got \(4,\)"),
        (LSTM, [X, CONT.T[:2]], "num_output: 2", r"bottom\[1\] \(cont\) must have shape \(5, 3\), .* got \(2, 5\)"),
        (ContinuationIndicator, [], "time_step: 2", r"needs time_step and batch_size, or bottom\[0\]"),
        (ContinuationIndicator, [X], "time_step: 2", r"needs time_step and batch_size, or bottom\[0\]"),
        (ContinuationIndicator, [X[0, 0]], "{}", r"bottom\[0\] \(x\) must have the shape"),
    ],
)
def test_refused(layer, bottoms, text, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: {message}"):
        LayerRun(layer, bottoms, param_str=text)


def test_other_values_than_the_weights_are_refused():
    run = lstm(X)
    run.bottom[0].reshape(T, N, K + 1)
    with pytest.raises(ValueError, match=r"^LSTM: bottom\[0\] \(x\) has 5 values a sample, but blobs\[0\] \(24, 4\)"):
        run.forward()

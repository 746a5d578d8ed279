"""CTPN's net and one of warpctc-caffe's in small, trained beside the same nets written in PyTorch."""

import numpy as np
import pytest

pytest.importorskip("torch")  # which the runtime needs

from caffe_pylayers import pycaffe

torch = pytest.importorskip("torch")
F = torch.nn.functional

ITERATIONS = 50

CTPN = """
layer { name: "in" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 1 dim: 2 dim: 3 dim: 8 } shape { dim: 1 dim: 3 dim: 8 } } }
layer { name: "im2col" type: "Im2col" bottom: "data" top: "im2col" convolution_param { pad: 1 kernel_size: 3 } }
layer { name: "im2col_transpose" type: "Transpose" bottom: "im2col" top: "im2col_transpose"
  transpose_param { dim: 3 dim: 2 dim: 0 dim: 1 } }
layer { name: "lstm_input" type: "Reshape" bottom: "im2col_transpose" top: "lstm_input"
  reshape_param { shape { dim: -1 } axis: 1 num_axes: 2 } }
layer { name: "lstm" type: "Lstm" bottom: "lstm_input" top: "lstm" lstm_param { num_output: 4 clipping_threshold: 0.02
  weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "constant" } } }
layer { name: "lstm-reverse1" type: "Reverse" bottom: "lstm_input" top: "rlstm_input" reverse_param { axis: 0 } }
layer { name: "rlstm" type: "Lstm" bottom: "rlstm_input" top: "rlstm-output" lstm_param { num_output: 4
  weight_filler { type: "xavier" } } }
layer { name: "lstm-reverse2" type: "Reverse" bottom: "rlstm-output" top: "rlstm" reverse_param { axis: 0 } }
layer { name: "merge" type: "Concat" bottom: "lstm" bottom: "rlstm" top: "merge" concat_param { axis: 2 } }
layer { name: "reshape" type: "Reshape" bottom: "merge" top: "reshape"
  reshape_param { shape { dim: -1 dim: 1 } axis: 1 num_axes: 1 } }
layer { name: "lstm_output" type: "Transpose" bottom: "reshape" top: "lstm_output"
  transpose_param { dim: 2 dim: 3 dim: 1 dim: 0 } }
layer { name: "fc" type: "Convolution" bottom: "lstm_output" top: "fc"
  convolution_param { num_output: 6 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "score" type: "Convolution" bottom: "fc" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
"""

CTC = """
layer { name: "in" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 5 dim: 1 dim: 4 dim: 10 } shape { dim: 5 dim: 3 } } }
layer { name: "indicator" type: "ContinuationIndicator" top: "indicator"
  continuation_indicator_param { time_step: 10 batch_size: 5 } }
layer { name: "permuted_data" type: "Permute" bottom: "data" top: "permuted_data"
  permute_param { order: 3 order: 0 order: 1 order: 2 } }
layer { name: "lstm1" type: "LSTM" bottom: "permuted_data" bottom: "indicator" top: "lstm1"
  recurrent_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "fc1" type: "InnerProduct" bottom: "lstm1" top: "fc1"
  inner_product_param { num_output: 4 axis: 2 weight_filler { type: "xavier" } } }
layer { name: "ctc_loss" type: "CtcLoss" bottom: "fc1" bottom: "label" top: "loss"
  ctc_loss_param { blank_label: 3 alphabet_size: 4 time_step: 10 } }
layer { name: "permute_fc" type: "Permute" bottom: "fc1" top: "permuted_fc"
  permute_param { order: 1 order: 0 order: 2 } }
layer { name: "accuracy" type: "LabelsequenceAccuracy" bottom: "permuted_fc" bottom: "label" top: "accuracy"
  labelsequence_accuracy_param { blank_label: 3 } }
"""

SOLVER = 'net: "{}" type: "SGD" base_lr: {} lr_policy: "fixed" momentum: 0.9 random_seed: 5 display: 0\n'


def lstm(x, weights, recurrent, bias, clip):
    h = c = torch.zeros(x.shape[1], recurrent.shape[1])
    steps = []
    for step in x:
        gates = step @ weights.T + h @ recurrent.T + bias
        if clip and gates.requires_grad:
            gates.register_hook(lambda d: d.clamp(-clip, clip))
        i, f, o = gates[:, : 3 * h.shape[1]].sigmoid().chunk(3, 1)
        c = f * c + i * gates[:, 3 * h.shape[1] :].tanh()
        h = o * c.tanh()
        steps.append(h)
    return torch.stack(steps)


def ctpn(learned, data, label):
    columns = F.unfold(data, 3, padding=1).reshape(18, 3, 8).permute(2, 1, 0)  # W, H, C
    merged = [lstm(columns, *learned["lstm"], 0.02), lstm(columns.flip(0), *learned["rlstm"], 0).flip(0)]
    maps = torch.cat(merged, 2).permute(2, 1, 0)[None]
    return F.cross_entropy(F.conv2d(F.conv2d(maps, *learned["fc"]).relu(), *learned["score"]), label.long())


def ctc(learned, data, label):
    weights, bias, recurrent = learned["lstm1"]
    steps = lstm(data.permute(3, 0, 1, 2).flatten(2), weights, recurrent, bias, 0)
    log_p = F.linear(steps, *learned["fc1"]).log_softmax(2)
    lengths = (label != 3).sum(1)
    labels = label.long()
    return F.ctc_loss(log_p, labels, torch.full((5,), 10), lengths, blank=3, reduction="sum") / 5


def boxes(rng):
    """A label for each column of three anchors, which the picture shows, and noise."""
    label = rng.randint(0, 2, (1, 3, 8))
    return 0.3 * rng.standard_normal((1, 2, 3, 8)) + label[:, None], label


def words(rng):
    """Words of up to three letters, the blanks last, as columns of pictures."""
    label = np.sort(rng.randint(0, 4, (5, 3)), 1)
    shown = np.arange(4)[:, None] == np.repeat(label, [3, 3, 4], 1)[:, None]
    return 0.2 * rng.standard_normal((5, 1, 4, 10)) + shown[:, None], label


@pytest.mark.parametrize(
    ("net", "twin", "draw", "rate", "factor"), [(CTPN, ctpn, boxes, 0.05, 1), (CTC, ctc, words, 0.01, 5)]
)
def test_trained_beside_pytorch(tmp_path, net, twin, draw, rate, factor):
    """factor: of warpctc-caffe's gradient, which is not divided by the batch."""
    (tmp_path / "net.prototxt").write_text(net)
    (tmp_path / "solver.prototxt").write_text(SOLVER.format(tmp_path / "net.prototxt", rate))
    solver = pycaffe.get_solver(str(tmp_path / "solver.prototxt"))
    blobs = solver.net.blobs
    learned = {
        name: [torch.tensor(blob.data, requires_grad=True) for blob in params]
        for name, params in solver.net.params.items()
    }
    rule = torch.optim.SGD([blob for params in learned.values() for blob in params], rate, 0.9)
    rng, losses = np.random.RandomState(2), []
    for _ in range(ITERATIONS):
        blobs["data"].data[...], blobs["label"].data[...] = draw(rng)
        data, label = (torch.tensor(blobs[name].data) for name in ("data", "label"))
        solver.step(1)
        loss = twin(learned, data, label)
        rule.zero_grad()
        (factor * loss).backward()
        rule.step()
        losses.append((float(blobs["loss"].data.sum()), loss.item()))
    ours, theirs = np.array(losses).T
    assert np.abs(ours - theirs).max() < 1e-3
    assert theirs[-5:].mean() < 0.75 * theirs[:5].mean()

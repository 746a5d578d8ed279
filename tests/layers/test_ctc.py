"""CTCLoss: PyTorch's numbers, all paths of small ones, values by hand, and what it refuses."""

import itertools
import math

import numpy as np
import pytest

from caffe_pylayers._layer.functions import fused
from caffe_pylayers.ctc import CTCLoss
from caffe_pylayers.testing import LayerRun

rng = np.random.RandomState(12)
T, N, C = 9, 6, 5
SCORES = 2 * rng.standard_normal((T, N, C))
LABELS = np.array([[1, 2, 3], [1, 1, 0], [2, 0, 0], [0, 0, 0], [3, 3, 3], [4, 1, 4]])
LENGTHS, STEPS = (LABELS != 0).sum(1), np.array([9, 5, 1, 4, 4, 3])


def loss(*bottoms, text="{}"):
    run = LayerRun(CTCLoss, bottoms, param_str=text)
    return run.forward()[0][0], run


def test_by_hand():
    assert loss(np.zeros((2, 1, 2)), [[1]])[0] == pytest.approx(math.log(4 / 3))
    assert loss(np.zeros((2, 1, 2)), [[0]], text="blank_label: 1")[0] == pytest.approx(math.log(4 / 3))
    assert loss(np.zeros((1, 1, 2)), [[0]])[0] == pytest.approx(math.log(2))  # an empty label: the blank alone


@pytest.mark.parametrize("size", [1, 1e4])
def test_pytorchs_loss(size):
    torch = pytest.importorskip("torch")
    value, run = loss(size * SCORES, STEPS, LENGTHS, LABELS.T, text="normalization: none")
    scores = torch.tensor(size * SCORES, requires_grad=True)
    expected = torch.nn.functional.ctc_loss(
        scores.log_softmax(2), torch.tensor(LABELS), torch.tensor(STEPS), torch.tensor(LENGTHS),
        reduction="sum", zero_infinity=True,
    )  # fmt: skip
    (3.7 * expected).backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(run.backward([3.7])[0], scores.grad, atol=1e-13 * size)


def test_pytorchs_kernel_gives_the_plain_numbers():
    """Too long a label, an empty one, no step at all; and it is the one that tensors are left to."""
    torch = pytest.importorskip("torch")
    steps, text = STEPS * [1, 1, 1, 1, 1, 0], "normalization: valid"
    plain, run = loss(SCORES, steps, LENGTHS, LABELS.T, text=text)
    kernel, other = loss(*map(torch.tensor, (SCORES, steps, LENGTHS, LABELS.T)), text=text)
    assert fused.has_ctc(torch, torch.tensor(SCORES))
    assert float(kernel) == pytest.approx(plain, rel=1e-12)
    d_loss = torch.tensor([3.7], dtype=torch.float64)
    np.testing.assert_allclose(other.backward([d_loss])[0], run.backward([3.7])[0], atol=1e-13)


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("label", [[], [1], [1, 1], [2, 1], [1, 2, 2], [1, 1, 1, 1]])
def test_all_paths(merge, label):
    scores = rng.standard_normal((4, 1, 3))
    p = np.exp(scores[:, 0]) / np.exp(scores[:, 0]).sum(1, keepdims=True)
    total = 0
    for path in itertools.product(range(3), repeat=4):
        spelled = [c for t, c in enumerate(path) if c and not (merge and t and c == path[t - 1])]
        total += math.prod(p[range(4), path]) if spelled == label else 0
    text = f"{{merge_repeated: {str(merge).lower()}, zero_infinity: false}}"
    value, run = loss(scores, [[*label, -1]], text=text)
    assert value == pytest.approx(-math.log(total) if total else math.inf)
    if not total:
        assert not run.backward([1])[0].any()


def test_three_forms_of_labels():
    cont = np.arange(T)[:, None] % STEPS > 0
    columns = np.where(LABELS == 0, -1, LABELS).T
    padded = np.concatenate([columns, np.full((T - 3, N), -1)])
    by_lengths = loss(SCORES, STEPS, LENGTHS, columns)[0]
    assert loss(SCORES, cont, padded)[0] == pytest.approx(by_lengths)
    assert loss(SCORES, cont, padded - (padded > 0), text="label_offset: 1")[0] == pytest.approx(by_lengths)
    assert loss(SCORES, [T] * N, LENGTHS, columns)[0] == pytest.approx(loss(SCORES, LABELS)[0])
    assert loss(SCORES[:, :1], cont[:, :1] * 0, padded[:, :1] * 0 - 1)[0] == 0  # no sequence at all


def test_the_divisor():
    none = loss(SCORES[:4], LABELS, text="normalization: none")
    for name, z in (("batch", N), ("valid", N - 1), ("full", 4 * N)):  # of 3, 3, 3 none has a path of 4 steps
        value, run = loss(SCORES[:4], LABELS, text=f"normalization: {name}")
        assert value == pytest.approx(none[0] / z)
        gradient = run.backward([1])[0]
        assert gradient == pytest.approx(none[1].backward([1])[0] / z)
        _, run = loss(SCORES[:4], LABELS, text=f"{{normalization: {name}, legacy_gradient: true}}")
        assert run.backward([1])[0] == pytest.approx(gradient * z)


def test_steps_that_count_for_nothing():
    bottoms = STEPS, LENGTHS, LABELS.T
    nothing = np.where((np.arange(T)[:, None] < STEPS)[..., None], SCORES, np.nan)
    value, run = loss(nothing, *bottoms)
    expected, other = loss(SCORES, *bottoms)
    assert value == pytest.approx(expected)
    assert run.backward([1])[0] == pytest.approx(other.backward([1])[0])
    delayed, run = loss(SCORES, LABELS, text="output_delay: 2")
    assert delayed == pytest.approx(loss(SCORES[2:], LABELS)[0])
    assert not run.backward([1])[0][:2].any()


def test_equal_labels_beside_each_other():
    assert loss(SCORES, [[1, 1, 2]] * N, text="collapse_labels: true")[0] == pytest.approx(
        loss(SCORES, [[1, 2]] * N)[0]
    )


def test_no_number_among_the_scores():
    scores = SCORES.copy()
    scores[1, 1, 1] = np.nan
    assert np.isnan(loss(scores, LABELS)[0])


@pytest.mark.parametrize(
    ("bottoms", "text", "message"),
    [
        ([SCORES[0], LABELS], "{}", r"bottom\[0\] \(scores\) must have the shape \(T, N, C\), got \(6, 5\)"),
        (
            [SCORES, LABELS[:2]],
            "{}",
            r"bottom\[1\] \(labels\) must have the shape \(N, L\), of 6 samples, got",
        ),
        ([SCORES, LABELS, LABELS.T], "{}", r"bottom\[1\] \(cont\) must have 54 values, got shape \(6, 3\)"),
        ([SCORES, STEPS, STEPS, LABELS], "{}", r"bottom\[3\] \(labels\) must have the shape \(L, N\)"),
        (
            [SCORES, LABELS],
            "blank_label: 5",
            r"blank_label and label_offset must be below the 5 classes",
        ),
        ([SCORES, LABELS + 2], "{}", r"label 5 at index \(0, 2\) is outside \[0, 5\)"),
        ([SCORES, LABELS + 0.5], "{}", r"label 1.5 at index \(0, 0\) is no integer"),
        ([SCORES, STEPS + 1, LENGTHS, LABELS.T], "{}", r"length 10 at index 0 is none in \[0, 9\]"),
        ([SCORES, STEPS, -LENGTHS, LABELS.T], "{}", r"length -3 at index 0 is none in \[0, 3\]"),
    ],
)
def test_refused(bottoms, text, message):
    with pytest.raises(ValueError, match=rf"^CTCLoss: {message}"):
        loss(*bottoms, text=text)

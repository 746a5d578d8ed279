"""Decoding and its accuracy: every path of small ones, values by hand, and what is refused."""

import functools
import itertools

import numpy as np
import pytest

from caffe_pylayers.label_sequences import CTCGreedyDecoder, SequenceAccuracy, edit_distances
from caffe_pylayers.testing import LayerRun

PATH = [1, 1, 0, 1, 2, 2]  # spells 1 1 2
SCORES = np.eye(3)[np.array([PATH, [0, 0, 2, 0, 2, 2]]).T]
LABELS = np.array([[1, 1, 2], [2, 2, -1]])


def run(layer, *bottoms, text="{}", **options):
    return LayerRun(layer, bottoms, param_str=text, **options).forward()


def test_decoding_by_hand():
    assert run(CTCGreedyDecoder, SCORES)[0].tolist() == [[1, 1, 2, -1, -1, -1], [2, 2, -1, -1, -1, -1]]
    assert run(CTCGreedyDecoder, SCORES, text="blank_label: -1")[0][0].tolist() == [1, 0, 1, -1, -1, -1]
    assert run(CTCGreedyDecoder, SCORES, text="merge_repeated: false")[0][0].tolist() == [1, 1, 1, 2, 2, -1]
    cont = np.array([[0, 0], [1, 1], [1, 1], [1, 0], [0, 1], [1, 1]])
    labels, sums = run(CTCGreedyDecoder, SCORES, cont, tops=2)
    assert labels.tolist() == [[1, 1, -1, -1, -1, -1], [2, -1, -1, -1, -1, -1]]
    assert sums.tolist() == [-4, -3]


def test_the_accuracy_of_what_is_decoded():
    cont = np.arange(6)[:, None] + np.zeros(2)
    for count in (2, 3):
        tops = run(CTCGreedyDecoder, SCORES, cont, np.array([[1, 2], [2, 0], [-1, -1]]), tops=count)
        assert tops[-1].tolist() == [pytest.approx((2 / 3 + 1 / 2) / 2)]


def test_all_paths_of_four_steps():
    paths = np.array(list(itertools.product(range(3), repeat=4)))
    decoded = run(CTCGreedyDecoder, np.eye(3)[paths].swapaxes(0, 1))[0]
    for path, found in zip(paths, decoded):
        spelled = [c for c, _ in itertools.groupby(path) if c]
        assert found.tolist() == [*spelled, *[-1] * (4 - len(spelled))]


@functools.lru_cache(maxsize=None)
def distance(a, b):
    """Levenshtein's, as it is defined."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


def test_edit_distances():
    rng = np.random.RandomState(0)
    ours, theirs = rng.randint(0, 3, (40, 6)), rng.randint(0, 3, (40, 5))
    lengths, others = rng.randint(0, 7, 40), rng.randint(0, 6, 40)
    expected = [distance(tuple(a[:n]), tuple(b[:m])) for a, n, b, m in zip(ours, lengths, theirs, others)]
    assert edit_distances(ours, lengths, theirs, others).tolist() == expected


def test_accuracy_over_a_pass():
    layer = LayerRun(SequenceAccuracy, [SCORES, LABELS], param_str="measures: [exact, edit]", phase=1)
    assert layer.forward()[0].tolist() == [1, 1]
    layer.bottom[1].data[...] = [[1, 2, 2], [0, -1, 2]]
    assert np.mean([[1, 1], layer.forward()[0]], 0) == pytest.approx([2 / 4, (1 + 1 + 2 / 3 + 0) / 4])


def test_what_is_behind_the_end_may_be_no_number():
    cont = np.array([[0, 0], [1, 1], [0, 1], [1, 1], [1, 1], [1, 1]])
    scores = SCORES.copy()
    scores[2:, 0] = np.nan
    assert run(CTCGreedyDecoder, scores, cont)[0][0].tolist() == [1, -1, -1, -1, -1, -1]
    with pytest.raises(ValueError, match=r"must be finite, got nan at index \(0, 2, 0\)"):
        run(SequenceAccuracy, scores.swapaxes(0, 1), LABELS, text="time_axis: 1")


@pytest.mark.parametrize(
    ("layer", "bottoms", "text", "message"),
    [
        (CTCGreedyDecoder, [SCORES[0]], "{}", r"bottom\[0\] \(scores\) must have the shape \(T, N, C\), got \(2, 3\)"),
        (CTCGreedyDecoder, [SCORES], "blank_label: 3", r"blank_label must be below the 3 classes of bottom\[0\]"),
        (CTCGreedyDecoder, [SCORES, LABELS], "{}", r"bottom\[1\] \(cont\) must have the shape \(6, 2\), got \(2, 3\)"),
        (
            CTCGreedyDecoder,
            [SCORES, SCORES[..., 0], LABELS],
            "{}",
            r"bottom\[2\] \(labels\) must have the shape",
        ),
        (CTCGreedyDecoder, [SCORES * np.nan], "{}", r"bottom\[0\] \(scores\) must be finite, got nan at index \(0, 0"),
        (SequenceAccuracy, [SCORES, LABELS.T], "{}", r"bottom\[1\] \(labels\) must have the shape \(N, L\), of 2 sam"),
        (SequenceAccuracy, [SCORES, LABELS + 1], "{}", r"label 3 at index \(0, 2\) is outside \[0, 3\)"),
    ],
)
def test_refused(layer, bottoms, text, message):
    with pytest.raises(ValueError, match=rf"^{layer.__name__}: {message}"):
        run(layer, *bottoms, text=text)

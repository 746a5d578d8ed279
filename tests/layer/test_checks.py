"""Checks that layers share: what they let through, and the one line of what they refuse."""

import re

import numpy as np
import pytest

from caffe_pylayers._layer import checks

NAN, INF = float("nan"), float("inf")


class Judge:
    axis = 1


def both(values):
    """Yield the values as numpy's array, and as a tensor where torch is installed."""
    yield np.array(values, np.float32)
    torch = pytest.importorskip("torch")
    yield torch.tensor(values, dtype=torch.float32)


def refused(function, *args, **kwargs):
    with pytest.raises(ValueError, match=r"^Judge: ") as error:
        function(Judge(), *args, **kwargs)
    return str(error.value)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0, NAN, 2.0], {}, "Judge: bottom[0] (scores) must be finite, got nan at index 1"),
        ([[0.0, 1.0], [-INF, NAN]], {}, "Judge: bottom[0] (scores) must be finite, got -inf at index (1, 0)"),
        ([[0.0, 1.5]], {"low": 0, "high": 1}, "Judge: bottom[0] (scores) must lie in [0, 1], got 1.5 at index (0, 1)"),
        ([INF, NAN], {"low": -INF, "high": INF}, "Judge: bottom[0] (scores) must be numbers, got nan at index 1"),
    ],
)
def test_numbers_names_the_first_value_that_is_none(values, options, message):
    for array in both(values):
        assert refused(checks.numbers, "bottom[0] (scores)", array, **options) == message


@pytest.mark.parametrize("values", [[], [[1.0, -3e38]], [[3e38, 3e38]], 5.0])
def test_numbers_takes_what_is_finite(values):
    for array in both(values):
        checks.numbers(Judge(), "x", array)


def test_numbers_takes_infinity_where_it_is_a_bound():
    for array in both([INF, -INF]):
        checks.numbers(Judge(), "x", array, None, -INF, INF)


def test_numbers_does_not_look_at_what_counts_for_nothing():
    for array in both([[NAN, 1.0], [2.0, INF]]):
        counts = array == array.reshape(-1)[1]
        checks.numbers(Judge(), "x", array, counts)
        assert refused(checks.numbers, "x", array, ~counts).endswith("got nan at index (0, 0)")
        assert refused(checks.numbers, "x", array, counts[1:] | True).endswith("index (0, 0)")


def test_an_error_has_one_line():
    assert str(checks.error(Judge(), "a\nb\0")) == r"Judge: a\nb\x00"


def test_class_axis():
    assert checks.class_axis(Judge(), "scores", (4, 3)) == 1
    assert refused(checks.class_axis, "scores", (4, 0)) == (
        "Judge: scores must have a class or more on axis 1, got shape (4, 0)"
    )
    assert refused(checks.class_axis, "scores", (4,)) == (
        "Judge: axis 1 is outside scores of shape (4,), which has 1 axes"
    )


def test_same_shape():
    checks.same_shape(Judge(), "a", [2, 3], "b", (2, 3))
    assert (
        refused(checks.same_shape, "a", (2, 3), "b", (2, 3, 1))
        == "Judge: a must have the shape of b (2, 3, 1), got (2, 3)"
    )


@pytest.mark.parametrize(
    ("shape", "positions", "wanted"),
    [
        ((4, 5, 6), (4, 5, 6), (4, 5, 6)),
        ((4, 1, 5, 6), (4, 5, 6), (4, 5, 6)),
        ((4, 5, 6), (4, 1, 5, 6), (4, 1, 5, 6)),
        ((4,), (4, 5, 6), (4, 1, 1)),
        ((4, 1, 1, 1), (4, 5, 6), (4, 1, 1)),
        ((4, 1), (4,), (4,)),
        ((1, 1, 1), (1,), (1,)),
        ((1,), (4, 5), (1, 1)),
        ((4, 1, 6), (4, 5, 6), (4, 1, 6)),
        ((0,), (0, 5), (0, 1)),
        ((), (4, 5), (1, 1)),
        ((1,), (), ()),
    ],
)
def test_weights(shape, positions, wanted):
    assert checks.weights(Judge(), "w", shape, "the labels", positions) == wanted
    np.broadcast_to(np.zeros(shape).reshape(wanted), positions)


@pytest.mark.parametrize(
    ("shape", "positions"), [((5,), (4, 5)), ((4, 5, 1, 2), (4, 5, 6)), ((3, 4), (4, 3)), ((2,), ())]
)
def test_weights_that_do_not_fit(shape, positions):
    assert re.match(
        r"Judge: w must have the shape of the labels .* got ",
        refused(checks.weights, "w", shape, "the labels", positions),
    )


def test_a_label_among_no_classes():
    for labels in both([0.0, 3.0]):
        assert refused(checks.class_labels, labels, 0) == "Judge: label 0 at index 0 is outside [0, 0)"
    for labels in both([]):
        index, valid = checks.class_labels(Judge(), labels, 0, 255)
        assert len(index) == len(valid) == 0


def test_a_label_that_could_be_ignored():
    layer = Judge()
    outside = "Judge: label 255 at index 1 is outside [0, 3)"
    hint = "; the parameter ignore_label names one that counts for nothing"
    for values, layer.ignore_label, noun, wanted in (
        ([0, 255], None, "label", outside + hint),
        ([0, 255], 0, "label", outside),
        ([0, 255], None, "row", outside.replace("label", "row")),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(wanted)}$"):
            checks.class_labels(layer, np.array(values, np.float32), 3, layer.ignore_label, noun)

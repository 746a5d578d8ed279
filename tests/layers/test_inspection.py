"""Inspect and NaNGuard: what they say, when, and that they change nothing."""

import numpy as np
import pytest

from caffe_pylayers.inspection import Inspect, NaNGuard
from caffe_pylayers.testing import LayerRun

X = np.array([[1.0, 0.0], [3.0, -4.0]])


def test_lines(capsys):
    run = LayerRun(Inspect, [X], param_str="{name: conv1, every: 2}")
    for _ in range(3):
        np.testing.assert_array_equal(run.forward()[0], X)
        np.testing.assert_array_equal(run.backward([2 * X])[0], 2 * X)
    assert capsys.readouterr().err.splitlines() == [
        f"conv1: iteration {i} {what}"
        for i in (0, 2)
        for what in (
            "data (2, 2) min -4 max 3 mean 0 std 2.55 zero 25.0%",
            "gradient (2, 2) min -8 max 6 mean 0 std 5.099 zero 25.0%",
        )
    ]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], "(0,) empty"),
        ([np.nan, np.inf], "(2,) zero 0.0% NaN 1 infinite 1"),
        ([np.nan, -np.inf, 2], "(3,) min 2 max 2 mean 2 std 0 zero 0.0% NaN 1 infinite 1"),
    ],
)
def test_what_is_not_finite(values, line, capsys):
    LayerRun(Inspect, [np.array(values)], phase=1).forward()
    assert capsys.readouterr().err == f"TEST iteration 0 data {line}\n"


def test_a_file(tmp_path, capsys):
    path = tmp_path / "log.txt"
    run = LayerRun(Inspect, [X], param_str=f"{{file: {path}, every: 1}}", tops=0)
    run.forward()
    run.forward()
    assert [line[:22] for line in path.read_text().splitlines()] == [f"iteration {i} data (2, 2" for i in range(2)]
    assert capsys.readouterr().err == ""
    assert not run.backward([])[0].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_guard(bad):
    run = LayerRun(NaNGuard, [X], param_str="name: conv1")
    run.forward()
    with pytest.raises(
        ValueError,
        match=rf"^NaNGuard: conv1: iteration 0: 1 of 4 values of the gradient are not finite, first {bad} at \(0, 1\)",
    ):
        run.backward([[[0, bad], [0, 0]]])
    run.bottom[0].data[1] = bad
    with pytest.raises(ValueError, match=r"conv1: iteration 1: 2 of 4 values of the data .* at \(1, 0\)"):
        run.forward()


def test_infinities_that_cancel_and_sums_that_overflow():
    run = LayerRun(NaNGuard, [[np.inf, -np.inf]])
    with pytest.raises(ValueError, match="2 of 2 values"):
        run.forward()
    large = LayerRun(NaNGuard, [[3e38, 3e38]], dtype=np.float32)
    np.testing.assert_array_equal(large.forward()[0], np.float32([3e38, 3e38]))


def test_a_limit():
    run = LayerRun(NaNGuard, [X], param_str="limit: 3.5")
    with pytest.raises(ValueError, match=r"1 of 4 values of the data are not within 3.5, first -4 at \(1, 1\)"):
        run.forward()


def test_a_name_of_two_lines_is_told_in_one():
    with pytest.raises(ValueError, match=r"^NaNGuard: a\\nb: iteration 0: 1 of 1 values of the data are not finite"):
        LayerRun(NaNGuard, [[np.nan]], param_str=r'{"name": "a\nb"}').forward()


def test_a_file_that_cannot_be_written():
    run = LayerRun(Inspect, [X], param_str="file: /dev/null/x")
    with pytest.raises(OSError, match=r'^Inspect: cannot write to the file "/dev/null/x": Not a directory$'):
        run.forward()

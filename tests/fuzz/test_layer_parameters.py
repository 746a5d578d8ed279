"""A short run of the fuzzer of layer parameters."""

import sys

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")

from tests.fuzz.layer_parameters import each_alone, outcomes, some_together  # noqa: E402

WINDOWED = ["Convolution", "Deconvolution", "Im2col", "Pooling"]


def bad(cases):
    return [found for found in outcomes(cases) if found[0] not in ("ok", "clean")]


def test_windows_of_any_size():
    cases = [case for case in each_alone(WINDOWED) if "filler" not in case[0]]
    assert len(cases) > 500
    assert bad(cases) == []


def test_any_parameters_together():
    assert bad(some_together(1, 400)) == []

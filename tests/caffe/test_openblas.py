"""The installed Caffe computes with code for the processor that is there."""

import ctypes
from pathlib import Path

import pytest

pytestmark = pytest.mark.caffe


def test_code_for_this_processor():
    pytest.importorskip("caffe")
    used = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libopenblas" in line}
    if not used or " avx2 " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("another BLAS, or a processor without AVX2")
    name = ctypes.CDLL(used.pop()).openblas_get_corename
    name.restype = ctypes.c_char_p
    assert name() != b"Prescott"

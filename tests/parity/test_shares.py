"""Beside real Caffe: which records and rows each of several solvers reads."""

import numpy as np
import pytest

from tests.parity import shares

pycaffe = pytest.importorskip("caffe_pylayers.pycaffe")


def test_each_solver_reads_what_it_reads_on_caffe(record, root, monkeypatch):
    monkeypatch.chdir(root)
    wanted, found = record(shares), shares.read(pycaffe)
    assert wanted.keys() == found.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, wanted[name])

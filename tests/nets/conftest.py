"""Nets of which nothing is said yet."""

import pytest

from caffe_pylayers._nets import said


@pytest.fixture(autouse=True)
def _nothing_is_said_yet(monkeypatch):
    monkeypatch.setattr(said, "_said", set())

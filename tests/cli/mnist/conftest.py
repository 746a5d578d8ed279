"""Small files in place of the official ones."""

import gzip

import pytest

from caffe_pylayers.cli._mnist import source
from tests.cli.mnist.digits import CONTENT, sha256


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of gzipped files that pass for the official ones."""
    packed = {name: gzip.compress(content, mtime=0) for name, content in CONTENT.items()}
    sums = {name: source.Sha256(sha256(packed[name]), sha256(content)) for name, content in CONTENT.items()}
    monkeypatch.setattr(source, "FILES", sums)
    path = tmp_path / "official"
    path.mkdir()
    for name, content in packed.items():
        (path / f"{name}.gz").write_bytes(content)
    return path

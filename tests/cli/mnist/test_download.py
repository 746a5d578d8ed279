"""caffe-pylayers mnist --full: downloading, from this machine."""

import contextlib
import functools
import http.server
import threading
from pathlib import Path

import pytest

from caffe_pylayers.cli._mnist import source
from tests.cli.mnist.digits import CONTENT, assert_full, files, mnist


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        self.server.paths.append(self.path)


@contextlib.contextmanager
def serve(folder):
    """(URL, list of what was asked for) of an HTTP server for a folder."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.paths = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", server.paths
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "caffe-pylayers" / "mnist"


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"sorry")], ids=["missing", "wrong"])
def test_full_falls_back_to_the_next_mirror_and_keeps_the_files(folder, cache, tmp_path, monkeypatch, spoil):
    poor = tmp_path / "poor"
    poor.mkdir()
    for path in folder.iterdir():
        (poor / path.name).write_bytes(path.read_bytes())
    spoil(poor / "train-labels-idx1-ubyte.gz")
    with serve(poor) as (first, asked_first), serve(folder) as (second, asked_second):
        monkeypatch.setattr(source, "MIRRORS", (first, second))
        assert mnist("--output", tmp_path / "out", "--full") == 0
        assert_full(tmp_path / "out")
        assert files(cache) == sorted(f"{name}.gz" for name in CONTENT)
        asked = len(asked_first), len(asked_second)
        assert mnist("--output", tmp_path / "out", "--full") == 0
        assert (len(asked_first), len(asked_second)) == asked
    assert asked_second == ["/train-labels-idx1-ubyte.gz"]


def test_full_refuses_what_is_not_the_official_file(folder, cache, tmp_path, monkeypatch, capsys):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"sorry")
    with serve(folder) as (url, _):
        monkeypatch.setattr(source, "MIRRORS", (url,))
        assert mnist("--output", tmp_path / "out", "--full") == 1
    error = capsys.readouterr().err
    assert "train-images-idx3-ubyte.gz cannot be downloaded; give its folder with --source\n" in error
    assert f"{url}train-images-idx3-ubyte.gz: SHA256 hash of downloaded file" in error
    assert files(cache) == []
    assert not (tmp_path / "out").exists()

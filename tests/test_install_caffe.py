"""install_caffe.sh, up to where it would need the real packages: a mirror here serves a few bytes instead."""

import functools
import hashlib
import http.server
import os
import platform
import signal
import subprocess
import threading
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "install_caffe.sh"
PACKAGE, CONTENT = "pool/main/c/caffe/caffe%2b1_amd64.deb", "not really a package"

HOST = platform.system(), platform.machine(), platform.libc_ver()[0]
pytestmark = pytest.mark.skipif(HOST != ("Linux", "x86_64", "glibc"), reason="the script refuses any other system")


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def mirror(tmp_path):
    """A server whose folders /good and /bad are mirrors. `asked` lists what was asked for; `answers` can hold it up."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            server.answers.wait()
            super().do_GET()

        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=str(tmp_path / "www"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.url, server.asked, server.answers = f"http://127.0.0.1:{server.server_port}", [], threading.Event()
    server.answers.set()
    put(tmp_path / "www/good" / PACKAGE.replace("%2b", "+"), CONTENT)
    put(tmp_path / "www/bad" / PACKAGE.replace("%2b", "+"), "something else")
    (tmp_path / "lock").write_text(f"{hashlib.sha256(CONTENT.encode()).hexdigest()} {len(CONTENT)} {PACKAGE}\n")
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    with server:
        yield server
        server.answers.set()
        server.shutdown()


def start(tmp_path, *args):
    command = [str(arg) for arg in ("bash", SCRIPT, "--lock", tmp_path / "lock", *args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "universal_newlines": True}
    return subprocess.Popen(command, env={**os.environ, "no_proxy": "127.0.0.1"}, start_new_session=True, **pipes)


def run(tmp_path, *args):
    with start(tmp_path, *args) as process:
        out, err = process.communicate()
    return process.returncode, out, err


def test_help_names_every_option(tmp_path):
    code, out, _ = run(tmp_path, "--help")
    assert code == 0
    assert all(option in out for option in ("PREFIX", "--mirror", "--apt", "--lock"))


@pytest.mark.parametrize(("name", "reason"), [("a:b", "':'"), ("a$b", "'$'"), ("taken", "was not made by this script")])
def test_a_prefix_that_cannot_be_is_refused(tmp_path, mirror, name, reason):
    put(tmp_path / "taken" / "file", "")
    code, _, err = run(tmp_path, "--mirror", f"{mirror.url}/good", tmp_path / name)
    assert code == 1
    assert reason in err
    assert str(tmp_path / name) in err
    assert sorted(os.listdir(tmp_path)) == ["lock", "taken", "www"]


def test_without_a_mirror_it_says_what_to_do(tmp_path, mirror):
    put(tmp_path / "apt/sources.list", f"deb {mirror.url}/good jammy main\n")
    code, _, err = run(tmp_path, "--apt", tmp_path / "apt", tmp_path / "caffe")
    assert code == 1
    assert "--mirror URL" in err
    assert not list(tmp_path.glob("caffe*"))


def test_every_debian_mirror_of_apt_is_tried(tmp_path, mirror):
    url, listed = mirror.url, tmp_path / "listed"
    put(listed, f"{url}/four\n")
    one_line = f"""
# deb {url}/comment trixie main
deb [arch=amd64 signed-by=/key] {url}/one/ bookworm main contrib
deb {url}/one bookworm-updates main
deb-src {url}/source bookworm main
deb {url}/debian-security bookworm-security main
deb {url}/other nodistro main
"""
    deb822 = f"""
Types: deb deb-src
URIs: {url}/two
# comment
 {url}/three
Suites: stable stable-updates

Types: deb
URIs: {url}/off
Suites: sid
Enabled: no

Types: deb
URIs: mirror+file:{listed}
Suites: trixie"""
    put(tmp_path / "apt/sources.list", one_line)
    put(tmp_path / "apt/sources.list.d/debian.sources", deb822)
    code, _, err = run(tmp_path, "--apt", tmp_path / "apt", tmp_path / "caffe")
    assert code == 1
    tried = sorted(line.split(": ")[0].strip() for line in err.splitlines()[1:])
    assert tried == [f"{url}/four", f"{url}/one", f"{url}/three", f"{url}/two"]


def test_a_wrong_hash_is_an_error_that_names_file_and_mirror(tmp_path, mirror):
    code, _, err = run(tmp_path, "--mirror", f"{mirror.url}/bad", tmp_path / "caffe")
    assert code == 1
    assert f"{mirror.url}/bad: {PACKAGE}: arrived with a wrong SHA-256" in err
    assert not list(tmp_path.glob("caffe*"))


def test_downloads_come_from_any_mirror_and_are_kept_while_they_are_whole(tmp_path, mirror):
    args = ["--mirror", f"{mirror.url}/bad", "--mirror", f"{mirror.url}/good", tmp_path / "caffe"]
    code, _, err = run(tmp_path, *args)
    assert code == 1
    assert "cannot unpack" in err
    assert not (tmp_path / "caffe").exists()
    (kept,) = (tmp_path / "caffe.part" / "debs").iterdir()
    assert kept.read_text() == CONTENT

    mirror.asked.clear()
    run(tmp_path, *args)
    assert not mirror.asked
    kept.write_text(CONTENT[:5])
    run(tmp_path, *args)
    assert mirror.asked
    assert kept.read_text() == CONTENT


def test_an_interrupted_run_leaves_nothing_at_prefix(tmp_path, mirror):
    mirror.answers.clear()
    with start(tmp_path, "--mirror", f"{mirror.url}/good", tmp_path / "caffe") as process:
        while not mirror.asked:
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert not (tmp_path / "caffe").exists()


def test_a_finished_prefix_is_left_alone_until_the_lock_changes(tmp_path, mirror):
    made_of = [tmp_path / "lock", SCRIPT.with_name("caffe-requirements.txt"), SCRIPT]
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest() + "  -\n"
    put(tmp_path / "caffe" / ".stamp", stamp)
    args = ["--mirror", f"{mirror.url}/bad", tmp_path / "caffe"]
    assert run(tmp_path, *args) == (0, f"install_caffe: {tmp_path / 'caffe'} is up to date\n", "")
    assert not mirror.asked

    (tmp_path / "lock").write_text(f"{'0' * 64} 1 pool/new.deb\n")
    assert run(tmp_path, *args)[0] == 1
    assert mirror.asked == ["/bad/pool/new.deb"] * 2
    assert (tmp_path / "caffe" / ".stamp").read_text() == stamp

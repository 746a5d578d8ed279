"""Files that are whole or not there, and the temporary names they are written under."""

import os
import subprocess
import sys

import pytest

from caffe_pylayers._disk import files


def not_there(path):
    assert not path.exists()


def write(path, text, then=lambda: None):
    with files.whole(path) as temporary:
        temporary.write_text(text)
        then()


def test_whole_or_not_there(tmp_path):
    path = tmp_path / "a"
    write(path, "one", then=lambda: not_there(path))
    assert os.listdir(tmp_path) == ["a"]
    with pytest.raises(KeyError):
        write(path, "two", then=lambda: {}["none"])
    assert path.read_text() == "one"
    assert os.listdir(tmp_path) == ["a"]


def test_two_writers_have_names_of_their_own(tmp_path):
    path = tmp_path / "a"
    with files.partial(path) as first, files.partial(path, folder=True) as second:
        assert first != second
        assert first.is_file()
        assert second.is_dir()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("existed", [False, True])
def test_what_another_wrote_meanwhile_is_not_overwritten(tmp_path, existed):
    path = tmp_path / "a"
    if existed:
        path.write_text("old")
    with pytest.raises(FileExistsError, match="was written by another process meanwhile"):
        write(path, "mine", then=lambda: write(path, "theirs"))
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a"]


def test_links_are_not_followed(tmp_path):
    """A link with a name that a temporary file could have leaves its target as it is, and so does one in its place."""
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / ".a.part").symlink_to(target)
    (tmp_path / ".a.0123abcd.part").symlink_to(target)
    (tmp_path / "a").symlink_to(target)
    files.write_text(tmp_path / "a", "mine")
    assert target.read_text() == "precious"
    assert (tmp_path / "a").read_text() == "mine"


WRITER = """
import sys
from pathlib import Path
from caffe_pylayers._disk import files
with files.partial(Path(sys.argv[1]), folder=bool(int(sys.argv[2]))) as temporary:
    if temporary.is_dir():
        (temporary / "half").touch()
    print("writes", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("folder", [0, 1])
def test_what_a_killed_writer_left_goes_and_what_a_living_one_has_stays(tmp_path, folder):
    def start():
        command = [sys.executable, "-c", WRITER, str(tmp_path / "a"), str(folder)]
        writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert writer.stdout.readline() == "writes\n"
        return writer

    killed = start()
    (left,) = os.listdir(tmp_path)
    living = start()
    assert left in os.listdir(tmp_path)
    killed.kill()
    killed.communicate()
    files.write_text(tmp_path / "a", "x")
    names = os.listdir(tmp_path)
    assert len(names) == 2, names
    assert left not in names
    living.communicate("")
    assert os.listdir(tmp_path) == ["a"]


def test_names_that_cannot_be_written(tmp_path):
    for path, message in (
        (tmp_path, "is a folder; give the name of a file"),
        (tmp_path / "none" / "a", f"there is no folder {tmp_path / 'none'}"),
    ):
        with pytest.raises(OSError, match=message) as error:
            files.check_target(path)
        assert error.value.filename == str(path)
        with pytest.raises(OSError, match=message), files.whole(path):
            pytest.fail("begun")

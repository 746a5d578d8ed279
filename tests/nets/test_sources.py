"""What is a list of images, a list of HDF5 files, a database; what it is said to be if it is something else."""

import re

import pytest

from caffe_pylayers._nets import sources


@pytest.fixture
def listed(tmp_path):
    """listed(content): the path of a list."""

    def write(content):
        path = tmp_path / "list.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        ("a.jpg 3", "a.jpg", 3),
        ("a b.jpg 3", "a b.jpg", 3),
        ("a.jpg -2", "a.jpg", -2),
        ("a.jpg +7.9", "a.jpg", 7),
        ("a.jpg 0000000000000005", "a.jpg", 5),
        ("a.jpg \t4\r", "a.jpg", 4),
        ("a.jpg 2147483647", "a.jpg", 2**31 - 1),
        ("\x85a.jpg 1", "\x85a.jpg", 1),
    ],
)
def test_image_lines_as_caffe_reads_them(listed, line, name, label):
    found = sources.image_lines(listed(f"first.jpg 1\n{line}\n"))[1]
    assert (found.name, found.label) == (name, label)
    assert found.where.endswith("list.txt:2")


def test_a_line_without_a_label_is_0_if_the_file_is_there(listed, tmp_path):
    """Caffe reads "a.jpg" and "12.jpg", labels 0 and 12, and a word that is no number is 0."""
    for name in ("a.jpg", "12.jpg"):
        (tmp_path / name).touch()
    found = sources.image_lines(listed("a.jpg\n12.jpg\na.jpg cat"), f"{tmp_path}/")
    assert [(line.name, line.label) for line in found] == [("a.jpg", 0), ("12.jpg", 12), ("a.jpg", 0)]


CURE = "a line has a path, one blank and a label"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "is blank; remove the line"),
        (" \t", "is blank; remove the line"),
        ("a.jpg\t3", rf'"a.jpg\t3": {CURE}; this one has a tab for the blank'),
        ("a.jpg,3", f'"a.jpg,3": {CURE}; this one has a comma for the blank'),
        ("a.jpg, cat", f'"a.jpg, cat": {CURE}; this one has no label, and there is no file of this name'),
        ("a.jpg 3 ", f'"a.jpg 3 ": {CURE}; this one ends in a blank'),
        ("a.jpg;3", f'"a.jpg;3": {CURE}; this one has a semicolon for the blank'),
        ("a.jpg", f'"a.jpg": {CURE}; this one has no label, and there is no file of this name'),
        ("a 99999999999999", '"a 99999999999999": its label must be from -2147483648 to 2147483647'),
        ("a " + "9" * 5000, f'"a {"9" * 115}...": its label must be from -2147483648 to 2147483647'),
    ],
)
def test_image_lines_refused(listed, line, message):
    path = listed(f"b.jpg 1\n{line}\nc.jpg 2\n")
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}:2: {message}')}$"):
        sources.image_lines(path, "/none/")


def test_blank_lines_passed_over(listed):
    assert len(sources.image_lines(listed("\na 1\n \nb 2\n\n"), skip_blank=True)) == 2


def test_hdf5_files_as_caffe_reads_them(listed):
    assert sources.hdf5_files(listed(" a.h5\tb.h5\r\n\nc\x85.h5")) == ["a.h5", "b.h5", "c\x85.h5"]


@pytest.mark.parametrize("read", [sources.image_lines, sources.hdf5_files, sources.window_words])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89HDF\r\n\x1a\n and more", "is an HDF5 file; takes a text file "),
        (b"\xef\xbb\xbfa.jpg 1", "begins with a byte order mark, which is no part of a name; save it as UTF-8 without"),
        (b"a\0b 1", "is no text; takes a text file "),
    ],
)
def test_what_is_no_list(listed, read, content, message):
    path = listed(content)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path} {message}')}"):
        read(path)


@pytest.mark.parametrize("read", [sources.image_lines, sources.hdf5_files])
def test_lists_that_cannot_be_read_or_are_empty(listed, tmp_path, read):
    with pytest.raises(ValueError, match=f"^{tmp_path} is a folder; takes a text file"):
        read(str(tmp_path))
    with pytest.raises(ValueError, match=r"^/none cannot be read: No such file or directory$"):
        read("/none")
    with pytest.raises(ValueError, match=r"list\.txt lists no (images|files)$"):
        read(listed(""))


def test_databases(tmp_path):
    lmdb, level, empty = (tmp_path / name for name in ("some_lmdb", "some_leveldb", "empty"))
    for folder, file in ((lmdb, "data.mdb"), (level, "CURRENT"), (empty, None)):
        folder.mkdir()
        if file:
            (folder / file).touch()
    sources.check_database(str(lmdb), "LMDB")
    sources.check_database(str(level), "LEVELDB")
    for path, backend, message in (
        (lmdb, "LEVELDB", "it is LMDB, so write backend: LMDB; without it, LEVELDB is meant"),
        (level, "LMDB", "it is LevelDB, so write backend: LEVELDB"),
        (tmp_path, "LMDB", "it is the folder of some_leveldb and some_lmdb; name one of them"),
        (empty, "LMDB", "it has no data.mdb"),
        (empty, "LEVELDB", "it has no CURRENT"),
        (lmdb / "data.mdb", "LMDB", "it is a part of one; name its folder"),
        (tmp_path / "none", "LMDB", "No such file or directory"),
    ):
        title = {"LMDB": "LMDB", "LEVELDB": "LevelDB"}[backend]
        with pytest.raises(ValueError, match=f"^{re.escape(f'{path} cannot be opened as {title}: {message}')}$"):
            sources.check_database(str(path), backend)


@pytest.mark.parametrize("word", ["", "x", "1.5", "99999999999", "9" * 5000, "--1"])
def test_what_is_no_integer(word):
    with pytest.raises(ValueError, match=r'^takes an integer for the corner, got "'):
        sources.integer(word, "corner")

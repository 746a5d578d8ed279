"""Caffe's rules for the sources of data layers: lists of images, lists of HDF5 files, databases.

Found before anything is read. Whatever Caffe reads is taken; what it would fail on, at once or after hours, is a
ValueError that names the list, the line, its text and the cure.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import NamedTuple

from caffe_pylayers._disk.hdf5 import SIGNATURE as HDF5_SIGNATURE
from caffe_pylayers._layer.quote import plain, quoted

INT_MAX = 2**31 - 1  # of C's int, which labels are
TITLES = {"LMDB": "LMDB", "LEVELDB": "LevelDB"}  # of the backends
_FILES = {"LMDB": "data.mdb", "LEVELDB": "CURRENT"}  # without which there is no database
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_DIGITS = 11  # of a number: one that has as many is no int
_NAMED = 5  # databases in a folder that a message names


class ImageLine(NamedTuple):
    """A line of a list of images. where: the list's name and the line's number, from 1. labelled: it has a label."""

    name: str
    label: int
    where: str
    text: str
    labelled: bool


def image_lines(path: str, root: str = "", skip_blank: bool = False) -> list[ImageLine]:
    """Read a list of images, on each line a path, a blank and a label.

    root: what is put before the paths, as it is. skip_blank: pass over blank lines, as Caffe's convert_imageset does.

    As in Caffe the last blank of a line parts path and label, a path may have blanks, a label ends where its digits
    do, and without any it is 0; but then the file must be there. ValueError for a blank line, a label beyond C's int,
    and what is no text.
    """
    lines = _text(path, "takes a text file with a path, a blank and a label on each line").split(b"\n")
    if not lines[-1]:
        lines.pop()
    numbered = [(i, os.fsdecode(line)) for i, line in enumerate(lines, 1)]
    found = [_image_line(line, f"{path}:{i}") for i, line in numbered if line.strip() or not skip_blank]
    if not found:
        raise ValueError(f"{path} lists no images")
    for line in found:
        if not line.labelled and not os.path.exists(root + line.name):
            raise ValueError(f"{line.where}: {quoted(line.text)}: {_cure(line.text)}")
    return found


def _image_line(text: str, where: str) -> ImageLine:
    if not text.strip():
        raise ValueError(f"{where}: is blank; remove the line")
    name, blank, label = text.rpartition(" ")
    number = _leading_integer(label if blank else text)
    if not -INT_MAX - 1 <= (number or 0) <= INT_MAX:
        raise ValueError(f"{where}: {quoted(text)}: its label must be from {-INT_MAX - 1} to {INT_MAX}")
    return ImageLine(name if blank else text, number or 0, where, text, bool(blank) and number is not None)


def _leading_integer(text: str) -> int | None:
    """Return the number that a text begins with, as C's atoi reads it; None for none."""
    found = re.match(r"[ \t\v\f\r]*([-+]?)0*([0-9]+)", text)
    return int(found.group(1) + found.group(2)[:_DIGITS]) if found else None


def integer(word: str, what: str) -> int:
    """Read a word of a list as a number of C's int; ValueError, saying what it should be, for another."""
    number = _leading_integer(word) if re.fullmatch(r"[-+]?[0-9]+", word) else None
    if number is None or not -INT_MAX - 1 <= number <= INT_MAX:
        raise ValueError(f"takes an integer for the {what}, got {quoted(word)}")
    return number


def _cure(text: str) -> str:
    wanted = "a line has a path, one blank and a label"
    if text.endswith(" "):
        return f"{wanted}; this one ends in a blank"
    for sign, mark in (("\t", "a tab"), (",", "a comma"), (";", "a semicolon")):
        path, found, label = text.rstrip().rpartition(sign)
        if found and path and re.fullmatch(r" *[-+]?[0-9]+", label):
            return f"{wanted}; this one has {mark} for the blank"
    return f"{wanted}; this one has no label, and there is no file of this name"


def hdf5_files(path: str) -> list[str]:
    """Read a list of HDF5 files, names parted by blanks or line ends; ValueError for what is no list.

    The files themselves are not opened.
    """
    names = _text(path, "takes a text file that lists HDF5 files").split()
    if not names:
        raise ValueError(f"{path} lists no files")
    return list(map(os.fsdecode, names))


def window_words(path: str) -> list[str]:
    """Read the words of a list of windows; ValueError for what is no text."""
    return list(map(os.fsdecode, _text(path, "takes a text file that lists windows").split()))


def _text(path: str, wanted: str) -> bytes:
    try:
        content = Path(path).read_bytes()
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder; {wanted}") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:  # of Python, for a null character
        raise ValueError(f"{quoted(path)} is no name of a file") from None
    if content.startswith(HDF5_SIGNATURE):
        raise ValueError(f"{path} is an HDF5 file; {wanted}")
    if content.startswith(_BYTE_ORDER_MARKS):
        raise ValueError(f"{path} begins with a byte order mark, which is no part of a name; save it as UTF-8 without")
    if b"\0" in content:
        raise ValueError(f"{path} is no text; {wanted}")
    return content


def check_database(path: str, backend: str) -> None:
    """Raise ValueError unless a folder holds a database of ``backend``, "LMDB" or "LEVELDB"; it is not opened."""
    refused = f"{plain(path)} cannot be opened as {TITLES[backend]}"
    if not os.path.lexists(path):
        raise ValueError(f"{refused}: {os.strerror(errno.ENOENT)}")
    if not os.path.isdir(path):
        part = os.path.basename(path) in ("data.mdb", "lock.mdb", "CURRENT")
        raise ValueError(f"{refused}: " + ("it is a part of one; name its folder" if part else "it is no folder"))
    if not os.access(path, os.R_OK | os.X_OK):
        raise ValueError(f"{refused}: {os.strerror(errno.EACCES)}")
    found = _database(path)
    if found == backend:
        return
    if found:
        default = "; without it, LEVELDB is meant" if found == "LMDB" else ""
        raise ValueError(f"{refused}: it is {TITLES[found]}, so write backend: {found}{default}")
    inside = sorted(name for name in os.listdir(path) if _database(os.path.join(path, name)))
    if inside:
        raise ValueError(f"{refused}: it is the folder of {plain(' and '.join(inside[:_NAMED]))}; name one of them")
    raise ValueError(f"{refused}: it has no {_FILES[backend]}")


def _database(path: str) -> str:
    """Return the backend of the database in a folder; "" where there is none."""
    return next((backend for backend, file in _FILES.items() if os.path.exists(os.path.join(path, file))), "")

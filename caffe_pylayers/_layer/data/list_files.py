"""Lists of files, one a line, with labels or other files behind: read and checked as a whole, errors by line."""

from __future__ import annotations

import os
from typing import Any, Iterator, NamedTuple

import numpy as np

from caffe_pylayers._layer.images.image_files import Files
from caffe_pylayers._layer.quote import short


class Line(NamedTuple):
    """A line of a list. where: its file and number, for messages."""

    where: str
    text: str


def lines(source: str) -> list[Line]:
    """Return the lines of a text file that hold anything; ValueError for one that cannot be read, or is empty."""
    try:
        with open(source, encoding="utf-8") as file:
            found = [Line(f"{source}:{number}", text.strip()) for number, text in enumerate(file, 1) if text.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or f"is no text in UTF-8 ({error})"
        raise ValueError(f"{source}: {reason}") from error
    if not found:
        raise ValueError(f"{source}: is empty")
    return found


def labelled_files(source: str, root: str, label_count: int | None) -> tuple[list[str], list[str], Any]:
    """Read a list ``path label label ...``; return each line's place, its path and its labels.

    Paths may hold blanks. Each line has as many labels as the first, which are the numbers at its end.

    root: the folder that the paths start from.
    label_count: how many; default: all numbers that the first line ends with.
    Returns labels (lines, label_count), float64. ValueError names the first line that is wrong.
    """
    found = lines(source)
    if label_count is None:
        label_count = _numbers_at_end(found[0].text)
    wheres, paths = [], []
    labels = np.empty((len(found), label_count))
    for i, (where, text) in enumerate(found):
        parts = text.rsplit(None, label_count) if label_count else [text]
        if len(parts) <= label_count:
            raise ValueError(f"{where}: needs a path and {_labels(label_count)}, got {short(text)}")
        try:
            labels[i] = [float(part) for part in parts[1:]]
        except ValueError:
            raise ValueError(f"{where}: needs {_labels(label_count)} behind the path, got {short(text)}") from None
        if not np.isfinite(labels[i]).all():
            raise ValueError(f"{where}: needs finite numbers behind the path, got {short(text)}")
        wheres.append(where)
        paths.append(os.path.join(root, parts[0]))
    check_files(wheres, paths)
    return wheres, paths, labels


def check_files(wheres: list[str], paths: list[str]) -> None:
    """Raise ValueError for the first of the paths that is not there, with its place and how many there are."""
    files = Files()
    missing = [i for i, path in enumerate(paths) if not files.has(path)]
    if missing:
        more = f", nor are {len(missing) - 1} more of the {len(paths)} files" if len(missing) > 1 else ""
        raise ValueError(f"{wheres[missing[0]]}: {paths[missing[0]]} is not there{more}")


def class_folders(root: str, extensions: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder in ``root``, by name, with the paths of the files in and below it that end so."""
    try:
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    except OSError as error:
        raise ValueError(f"{root}: {error.strerror}") from error
    for name in names:
        paths = []
        for folder, _, files in os.walk(os.path.join(root, name), followlinks=True):
            paths += [os.path.join(folder, file) for file in files if file.lower().endswith(extensions)]
        yield name, sorted(paths)


def _numbers_at_end(text: str) -> int:
    count = 0
    for part in reversed(text.split()[1:]):
        try:
            float(part)
        except ValueError:
            break
        count += 1
    return count


def _labels(count: int) -> str:
    return f"{count} number{'' if count == 1 else 's'}"

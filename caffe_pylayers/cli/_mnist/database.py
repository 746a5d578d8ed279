"""The LMDBs that Caffe's Data layer reads, put in place whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Mapping

from caffe_pylayers._disk import files
from caffe_pylayers._disk.database import new_database
from caffe_pylayers._disk.room import LMDB_LEAST, check_room
from caffe_pylayers.cli._mnist import DataError
from caffe_pylayers.cli._mnist.idx import Digits

LMDB_FILES = {"data.mdb", "lock.mdb"}


def write(folder: Path, databases: Mapping[str, Digits], datum: type) -> None:
    """Write the LMDB ``folder``/name for every item of ``databases``; ``datum`` is Caffe's Datum.

    All are written aside first and then take the places of those that are there, so a failure or Ctrl-C leaves what
    was. DataError where the folder cannot be written, where a name in it is taken by something that is not an LMDB,
    or by another process meanwhile.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in databases:
            _check_replaceable(folder / name)
        before = {name: files.identity(folder / name) for name in databases}
        check_room(folder, *(11 * digits.images.nbytes // 10 + LMDB_LEAST for digits in databases.values()))
        with TemporaryDirectory(prefix=".part-", dir=folder) as scratch:
            for name, digits in databases.items():
                _fill(Path(scratch, name), digits, datum)
            _check_same(folder, before)
            _move_in(folder, Path(scratch), list(databases))
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{folder}: cannot be written: {reason}") from error


def _check_replaceable(path: Path) -> None:
    if path.is_dir():
        others = sorted({file.name for file in path.iterdir()} - LMDB_FILES)
        if others:
            raise DataError(f"{path}: not replaced, since it holds more than an LMDB: {', '.join(others)}")
    elif os.path.lexists(path):
        raise DataError(f"{path}: not replaced, since it is no folder with an LMDB")


def _check_same(folder: Path, before: Mapping[str, files.Identity | None]) -> None:
    try:
        for name, identity in before.items():
            files.check_same(folder / name, identity)
    except FileExistsError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from error


def _fill(path: Path, digits: Digits, datum: type) -> None:
    _, height, width = digits.images.shape
    with new_database(path, "lmdb") as put:
        for index, (image, label) in enumerate(zip(digits.images, digits.labels)):
            record = datum(channels=1, height=height, width=width, data=image.tobytes(), label=int(label))
            put(b"%08d" % index, record)


def _move_in(folder: Path, scratch: Path, names: list[str]) -> None:
    """Move each scratch/name to folder/name, what was there to the scratch; all of them or none."""
    moves = []
    for name in names:
        if os.path.lexists(folder / name):
            moves.append((folder / name, scratch / f"{name}.old"))
        moves.append((scratch / name, folder / name))
    done = []
    try:
        for source, target in moves:
            done.append((source, target))
            source.rename(target)
    except BaseException:
        for source, target in reversed(done):
            if os.path.lexists(target) and not os.path.lexists(source):
                target.rename(source)
        raise

"""HDF5 files that cannot be written, or read."""

import os
import threading

import numpy as np
import pytest

from caffe_pylayers._disk import hdf5
from tests.full_disk import limited

ROWS = np.arange(3000, dtype=np.float32)


def write(path, first=0):
    with hdf5.writing(path) as file:
        for i in range(4):
            file.create_group(str(i)).create_dataset("rows", data=ROWS + first)


@pytest.mark.parametrize("part", [0, 0.01, 0.3, 0.6, 0.99])
def test_a_full_disk(tmp_path, part):
    path = tmp_path / "file.h5"
    write(path)
    before = path.read_bytes()
    with limited(int(len(before) * part)), pytest.raises(OSError, match="File too large") as error:
        write(path, first=1)
    assert error.value.filename == str(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file.h5"]


def test_an_exception_of_the_writer(tmp_path):
    path = tmp_path / "file.h5"
    with pytest.raises(TypeError, match="Object dtype"), hdf5.writing(path) as file:
        file["x"] = [None]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*file\.h5"), hdf5.writing(tmp_path / "nowhere" / "file.h5"):
        pass


def test_what_stops_a_reader_in_a_group_holds_no_other_thread(tmp_path):
    path = tmp_path / "file.h5"
    write(path)

    with pytest.raises(ValueError, match="0: no dataset of numbers") as error, hdf5.reading(path) as file:
        [hdf5.shape(rows, name) for name, rows in hdf5.group(file, "file").items()]  # groups
    other = threading.Thread(target=is_whole, args=(path,), daemon=True)
    other.start()
    other.join(20)
    assert not other.is_alive()
    assert error.traceback  # kept until here, with its comprehension's iterator


def is_whole(path):
    with hdf5.reading(path) as file:
        return len(file) == 4


def test_a_link_to_nowhere_is_no_dataset(tmp_path):
    path = tmp_path / "file.h5"
    write(path)
    h5py = hdf5.library()
    with h5py.File(path, "r+") as file:
        file["lost"] = h5py.SoftLink("/nowhere")
    with hdf5.reading(path) as file, pytest.raises(hdf5.ContentError, match="lost: no dataset"):
        hdf5.shape(hdf5.group(file, "file")["lost"], "lost")

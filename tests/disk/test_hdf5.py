"""HDF5 files that cannot be written, or read."""

import os

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

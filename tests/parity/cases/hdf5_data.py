"""HDF5Data and MemoryData."""

from tests.parity.case import TEST, TRAIN, Case, integers, normal


def hdf5(size, tops=3, phase=TRAIN):
    param = f'hdf5_data_param {{ source: "tests/parity/files/hdf5.txt" batch_size: {size} }}'
    return Case("HDF5Data", param, [], tops=tops, phase=phase, exact=True)


MEMORY = "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }"
ARRAYS = (normal(4, 3, 4, 5), integers(4, 1, 1, 1, high=9))

CASES = [
    hdf5(2),
    hdf5(7, phase=TEST),
    hdf5(19),
    hdf5(1, tops=1),
    Case("MemoryData", MEMORY, [], tops=2, arrays=ARRAYS, exact=True),
    Case("MemoryData", MEMORY + " transform_param { scale: 2 }", [], tops=2, phase=TEST, arrays=ARRAYS, exact=True),
]

"""Runs in real Caffe's Python: reads the files in a folder and writes what it read, python exchange.py FOLDER"""

import glob
import os
import sys

import caffe


def main(folder):
    """FILE.caffemodel and FILE.h5 become real_FILE.caffemodel and real_FILE.h5; states are restored and saved."""
    os.chdir(folder)
    for path in [*glob.glob("*.caffemodel"), "weights.h5"]:
        net = caffe.Net("net.prototxt", caffe.TRAIN, weights=path)
        net.save(f"real_{path}.caffemodel")
        net.save_hdf5(f"real_{path}.h5")
    for state in ("state.solverstate", "state.solverstate.h5"):
        solver = caffe.get_solver(f"{state}.prototxt")
        solver.restore(state)
        solver.snapshot()


if __name__ == "__main__":
    main(*sys.argv[1:])

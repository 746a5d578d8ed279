"""What each of several solvers reads of a database and of rows of files: ``read`` is given its ``caffe``.

shares.py FILE: under real Caffe, writes the arrays to an npz.
"""

import itertools
import os
import sys

import numpy as np

if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tests.parity.uses import make

LAYERS = {
    "Data": """layer { name: "data" type: "Data" top: "t0" top: "t1"
      data_param { source: "tests/parity/files/uint8_lmdb" backend: LMDB batch_size: 2 } }""",
    "HDF5Data": """layer { name: "data" type: "HDF5Data" top: "t0" top: "t1"
      hdf5_data_param { source: "tests/parity/files/hdf5.txt" batch_size: 3 } }""",
}
COUNTS = (1, 2, 3, 5)


def read(caffe):
    """Return by layer, phase, number of solvers and rank what the first batches are, some passes."""
    found = {}
    cases = itertools.product(COUNTS, range(max(COUNTS)), (caffe.TRAIN, caffe.TEST), LAYERS)
    for count, rank, phase, kind in cases:
        if rank < count:
            caffe.set_solver_count(count)
            caffe.set_solver_rank(rank)
            net = make(caffe, LAYERS[kind], phase)
            batches = []
            for _ in range(9):
                net.forward()
                batches += [net.blobs[top].data.ravel().copy() for top in ("t0", "t1")]
            found[f"{kind} {phase} {count} {rank}"] = np.concatenate(batches)
    caffe.set_solver_count(1)
    caffe.set_solver_rank(0)
    return found


if __name__ == "__main__":
    os.environ.setdefault("GLOG_minloglevel", "2")
    import caffe

    np.savez(sys.argv[1], **read(caffe))

"""Under real Caffe: run a folder's nets, twice those without Input layers.

record_stores.py FOLDER: for each FOLDER/*.prototxt writes FOLDER/<name>.npz with the blobs, those of both runs
one after the other. Input blobs count from 0.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")

import caffe
import numpy as np


def record(path):
    net = caffe.Net(str(path), caffe.TRAIN)
    for name in net.inputs:
        blob = net.blobs[name].data
        blob[...] = np.arange(blob.size).reshape(blob.shape)
    runs = []
    for _ in range(1 if net.inputs else 2):
        net.forward()
        runs.append({name: blob.data.copy() for name, blob in net.blobs.items()})
    np.savez(str(path.with_suffix(".npz")), **{name: np.concatenate([run[name] for run in runs]) for name in runs[0]})


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*.prototxt")):
        record(path)

"""Under real Caffe: run nets forward and backward, and record every blob and gradient.

record_net.py FOLDER: for each FOLDER/*.prototxt with Input layers, writes its caffemodel (random
weights), and an npz with the inputs (normal, or integers for a blob named label), all blobs, all
gradients and the loss.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")

import caffe
import numpy as np


def record(path):
    caffe.set_random_seed(1)
    net = caffe.Net(str(path), caffe.TRAIN)
    rng = np.random.RandomState(0)
    arrays = {}
    for name in net.inputs:
        shape = net.blobs[name].data.shape
        arrays[f"input/{name}"] = rng.randint(0, 3, shape) if "label" in name else rng.standard_normal(shape)
        net.blobs[name].data[...] = arrays[f"input/{name}"]
    net.save(str(path.with_suffix(".caffemodel")))
    net.clear_param_diffs()
    net.forward()
    net.backward()
    arrays["layers"] = np.array(list(net._layer_names))
    arrays["outputs"] = np.array(list(net.outputs))
    for name, blob in net.blobs.items():
        arrays[f"data/{name}"], arrays[f"diff/{name}"] = blob.data, blob.diff
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            arrays[f"param/{name}/{i}"] = blob.diff
    np.savez(str(path.with_suffix(".npz")), **arrays)


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*.prototxt")):
        record(path)

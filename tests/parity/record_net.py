"""Under real Caffe: run nets forward and backward, and record every blob and gradient.

record_net.py FOLDER: for each FOLDER/*.prototxt with Input layers, writes its caffemodel (random
weights), and an npz with the inputs (normal, or integers for a blob named label), all blobs and all
gradients. For a NAME.deploy beside it, the same of the forward pass, in the TEST phase and with the
weights as they are after it.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")

import caffe
import numpy as np


def fill_inputs(net):
    rng, arrays = np.random.RandomState(0), {}
    for name in net.inputs:
        shape = net.blobs[name].data.shape
        arrays[f"input/{name}"] = rng.randint(0, 3, shape) if "label" in name else rng.standard_normal(shape)
        net.blobs[name].data[...] = arrays[f"input/{name}"]
    return arrays


def record(path):
    caffe.set_random_seed(1)
    net = caffe.Net(str(path), caffe.TRAIN)
    arrays = fill_inputs(net)
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
    if path.with_suffix(".deploy").exists():
        record_deploy(net, path)


def record_deploy(trained, path):
    weights = str(path.with_suffix(".deploy.caffemodel"))
    trained.save(weights)
    net = caffe.Net(str(path.with_suffix(".deploy")), caffe.TEST, weights=weights)
    arrays = fill_inputs(net)
    net.forward()
    arrays.update({f"data/{name}": blob.data for name, blob in net.blobs.items()})
    np.savez(str(path.with_suffix(".deploy.npz")), **arrays)


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*.prototxt")):
        record(path)

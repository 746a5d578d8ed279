"""Whole test passes of a metric, as Caffe runs them."""

import numpy as np

from caffe_pylayers.testing import LayerRun

TEST = 1
SIZES = (7, 1, 20, 4, 13)


def class_batches(classes=5, places=(), weighted=True, seed=3):
    """Batches of different size: scores (n, classes, ...) that often meet the labels (n, ...), and weights."""
    rng = np.random.RandomState(seed)
    batches = []
    for n in SIZES:
        labels = rng.randint(0, classes, (n, *places))
        scores = rng.standard_normal((n, classes, *places)).round(1)
        scores += 1.5 * np.moveaxis(np.eye(classes)[labels], -1, 1)
        scores += 1e-3 * rng.rand(*scores.shape)  # no ties
        batches.append((scores.astype(np.float32), labels, rng.rand(n, *places) if weighted else np.ones(labels.shape)))
    return batches


def run_pass(layer, batches, param_str="", tops=1):
    """Return, for each top, the mean over the batches in float32, which Caffe prints."""
    run = LayerRun(layer, batches[0], param_str=param_str, tops=tops, phase=TEST, dtype=np.float32)
    sums = [0] * tops
    for batch in batches:
        for blob, data in zip(run.bottom, batch):
            blob.reshape(*np.shape(data))
            blob.data[...] = data
        sums = [total + top.copy() for total, top in zip(sums, run.forward())]
    return [total / len(batches) for total in sums]

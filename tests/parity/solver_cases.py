"""Solvers to be run by real Caffe and by the runtime: 50 steps from the same weights on the same data."""

import itertools
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "solvers.npz"

STEPS = 50
MIDDLE = 24  # where snapshots are taken: a whole number of rounds through the data
BATCH, BATCHES = 4, 2

NET = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 4 dim: 5 } shape { dim: 4 dim: 2 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
        param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
        inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.7 }
                              bias_filler { type: "gaussian" std: 0.5 } } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
        param { lr_mult: 0.5 decay_mult: 2 } param { lr_mult: 0 }
        inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 0.7 }
                              bias_filler { type: "gaussian" std: 0.5 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""

# The deltas are so large that steps depend smoothly on gradients near 0: else rounding errors grow a thousandfold.
TYPES = {
    "SGD": "base_lr: 0.02 momentum: 0.9",
    "Nesterov": "base_lr: 0.02 momentum: 0.9",
    "AdaGrad": "base_lr: 0.05 delta: 0.01",
    "RMSProp": "base_lr: 0.01 rms_decay: 0.9 delta: 0.05",
    "AdaDelta": "base_lr: 1 momentum: 0.9 delta: 1e-3",
    "Adam": "base_lr: 0.02 momentum: 0.8 momentum2: 0.95 delta: 0.01",
}
POLICIES = {
    "fixed": "",
    "step": "gamma: 0.7 stepsize: 12",
    "exp": "gamma: 0.97",
    "inv": "gamma: 0.03 power: 0.75",
    "multistep": "gamma: 0.5 stepvalue: 9 stepvalue: 10 stepvalue: 33",
    "poly": "power: 1.5",
    "sigmoid": "gamma: 0.2 stepsize: 20",
}
DECAYS = {
    "none": "",
    "L2": "weight_decay: 0.03",
    "L1": 'weight_decay: 0.02 regularization_type: "L1"',
}
VARIANTS = {
    "iter_size": "iter_size: 2",
    "clip": "clip_gradients: 0.5",
    "iter_size_clip_L1": 'iter_size: 2 clip_gradients: 0.7 weight_decay: 0.02 regularization_type: "L1"',
    "iter_size_clip_L2": "iter_size: 2 clip_gradients: 0.7 weight_decay: 0.03",
}


def _cases():
    for solver, policy, decay in itertools.product(TYPES, POLICIES, DECAYS):
        rates = f'{TYPES[solver]} lr_policy: "{policy}" {POLICIES[policy]} {DECAYS[decay]}'
        yield f"{solver}-{policy}-{decay}", solver, rates
    for solver, variant in itertools.product(TYPES, VARIANTS):
        yield f"{solver}-{variant}", solver, f'{TYPES[solver]} lr_policy: "fixed" {VARIANTS[variant]}'
    for solver in ("SGD", "Nesterov", "AdaDelta", "Adam"):
        rates = TYPES[solver].replace("momentum: 0.9", "").replace("momentum: 0.8", "")
        yield f"{solver}-no_momentum", solver, f'{rates} lr_policy: "fixed" weight_decay: 0.03'
    yield "SGD-tiny_rate", "SGD", 'base_lr: 1e-9 momentum: 0.9 lr_policy: "fixed" weight_decay: 0.03'


CASES = {name: (solver, text) for name, solver, text in _cases()}

# A solver of each type whose policy has a state, snapshot in each format.
RESUMED = {
    f"{solver}-{form}": (
        solver,
        f'{TYPES[solver]} lr_policy: "multistep" {POLICIES["multistep"]} {DECAYS["L2"]} snapshot_format: {form}',
    )
    for solver in TYPES
    for form in ("BINARYPROTO", "HDF5")
}

# Everything that a solver logs.
LOGGED = (
    "SGD",
    'base_lr: 0.02 momentum: 0.9 weight_decay: 0.01 lr_policy: "multistep" gamma: 0.5 stepvalue: 3 display: 2 '
    "average_loss: 3 debug_info: true clip_gradients: 0.5 snapshot: 4 "
    "test_iter: 2 test_iter: 1 test_interval: 25 test_compute_loss: true",
)


def write(folder, name, solver, text):
    """Write the solver of a case; gives its path."""
    (folder / "net.prototxt").write_text(NET)
    path = folder / f"{name}.prototxt"
    path.write_text(
        f'net: "{folder}/net.prototxt" type: "{solver}" {text} max_iter: {STEPS} '
        f'snapshot_prefix: "{folder}/{name}" random_seed: 3\n'
    )
    return path


def feed(net):
    """Give the net's first layer the next batch before each forward."""
    rng = np.random.RandomState(0)
    data = rng.standard_normal((BATCHES, BATCH, 5)).astype(np.float32)
    labels = rng.standard_normal((BATCHES, BATCH, 2)).astype(np.float32)
    rounds = itertools.cycle(range(BATCHES))

    def before(layer):
        if layer == 0:
            batch = next(rounds)
            net.blobs["data"].data[...] = data[batch]
            net.blobs["label"].data[...] = labels[batch]

    net.before_forward(before)


def start(net, values):
    """Give the net all its learned values, as ``weights`` gives them."""
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...], values = values[: blob.count].reshape(blob.data.shape), values[blob.count :]


def weights(net):
    """All learned values, in one array."""
    return np.concatenate([np.array(blob.data).ravel() for blobs in net.params.values() for blob in blobs])

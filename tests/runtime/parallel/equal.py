"""What several processes and one learn alike: nets and solvers, and what is kept of a training.

As a program: equal.py FOLDER COUNT BUCKET: so many processes train each case in turn, and FOLDER gets CASE.RANK.npz.
"""

import dataclasses
import sys
from multiprocessing import Process
from pathlib import Path

import h5py
import numpy as np
import torch

from caffe_pylayers import pycaffe as caffe

ROWS, BATCH, STEPS = 48, 4, 5  # BATCH: of each of two processes
LIMIT = 240  # seconds
DATA = """
layer { name: "data" type: "HDF5Data" top: "data" top: "label" top: "sequence" top: "continues"
        hdf5_data_param { source: "data.txt" batch_size: %d } }
layer { name: "unused" type: "Silence" bottom: "data" bottom: "label" bottom: "sequence" bottom: "continues" }
"""
FILLER = 'weight_filler { type: "xavier" } bias_filler { type: "uniform" min: -0.1 max: 0.1 }'


def layer(name, kind, bottoms, text="", top=None):
    bottoms = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top or name}" {text} }}\n'


def conv(name, bottom, text="", top=None):
    return layer(
        name, "Convolution", bottom, f"{text} convolution_param {{ num_output: 8 kernel_size: 3 {FILLER} }}", top
    )


def ip(name, bottom, outputs=3, text=""):
    return layer(name, "InnerProduct", bottom, f"{text} inner_product_param {{ num_output: {outputs} {FILLER} }}")


def python(name, bottoms, module, kind, text=""):
    named = f'python_param {{ module: "caffe_pylayers.{module}" layer: "{kind}" }} {text}'
    return layer(name, "Python", bottoms, named)


def softmax(name, bottom, text="", loss=""):
    return layer(name, "SoftmaxWithLoss", f"{bottom} label", f"{text} loss_param {{ {loss} }}")


def recurrent(kind):
    time_first = "permute_param { order: 1 order: 0 order: 2 }"
    cont = layer("cont", "Permute", "continues", "permute_param { order: 1 order: 0 }")
    param = f"recurrent_param {{ num_output: 4 {FILLER} }}"
    steps = layer("time", "Permute", "sequence", time_first) + cont + layer("rnn", kind, "time cont", param)
    return steps + layer("back", "Permute", "rnn", time_first) + ip("ip", "back") + softmax("loss", "ip")


RELU = layer("relu", "ReLU", "conv", top="conv")
LOSS = softmax("loss", "ip")
TWO = "param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }"
FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"
CONV = conv("conv", "data", TWO) + RELU + ip("ip", "conv", 3, TWO) + LOSS
EUCLIDEAN = python("one_hot", "label ip", "one_hot", "label2one_hot") + python(
    "loss", "ip one_hot", "pyloss", "EuclideanLossLayer", "loss_weight: 1"
)
SGD = "base_lr: 0.05 momentum: 0.9 weight_decay: 0.01"
FIXED = "batch_norm_param { use_global_stats: true eps: 1 }"  # of statistics that are zero


@dataclasses.dataclass
class Case:
    """A training; ``script``: what a script does beside it.

    alike: False where two processes don't learn what one does; their weights are the same all the same.
    """

    net: str = CONV
    solver: str = SGD
    kind: str = "SGD"
    script: str = ""
    alike: bool = True


CASES = {
    # by the solver
    "sgd": Case(),
    "nesterov": Case(kind="Nesterov"),
    "adagrad": Case(kind="AdaGrad", solver="base_lr: 0.05 weight_decay: 0.01"),
    "rmsprop": Case(kind="RMSProp", solver="base_lr: 0.01 weight_decay: 0.01 rms_decay: 0.9"),
    "adadelta": Case(kind="AdaDelta", solver="base_lr: 1 momentum: 0.9 delta: 1e-4 weight_decay: 0.01"),
    "adam": Case(kind="Adam", solver="base_lr: 0.01 momentum: 0.9 momentum2: 0.99 delta: 1e-4 weight_decay: 0.01"),
    "batches": Case(solver=SGD + " iter_size: 2"),
    "clipped": Case(solver=SGD + " clip_gradients: 0.2"),
    "clipped batches": Case(kind="Adam", solver="base_lr: 0.01 momentum: 0.9 iter_size: 2 clip_gradients: 0.2"),
    "l1": Case(solver=SGD + ' regularization_type: "L1"'),
    "at the end": Case(solver=SGD + " layer_wise_reduce: false"),
    "debug": Case(solver=SGD + " debug_info: true display: 1"),
    # by the net
    "python": Case(conv("conv", "data", TWO) + RELU + ip("ip", "conv") + EUCLIDEAN, "base_lr: 0.01 momentum: 0.9"),
    "learns in python": Case(
        conv("conv", "data") + RELU + python("scale", "conv", "learned", "LearnedScale") + ip("ip", "scale") + LOSS
    ),
    "frozen": Case(conv("conv", "data", FROZEN) + RELU + ip("ip", "conv") + LOSS),
    "frozen between": Case(conv("conv", "data") + RELU + ip("mid", "conv", 5, FROZEN) + ip("ip", "mid") + LOSS),
    "frozen and clipped": Case(
        "force_backward: true\n" + conv("conv", "data", FROZEN) + RELU + ip("ip", "conv") + LOSS,
        SGD + " clip_gradients: 0.2",
    ),
    "shared": Case(
        ip("before", "data", 6, 'param { name: "w" } param { name: "b" }')
        + ip("mid", "before", 50)
        + ip("after", "mid", 6, 'param { name: "w" } param { name: "b" }')
        + ip("ip", "after")
        + LOSS
    ),
    "no way down": Case(conv("conv", "data") + RELU + ip("ip", "conv", 3, "propagate_down: false") + LOSS),
    "unread": Case(CONV + ip("aside", "conv", 2) + 'layer { name: "quiet" type: "Silence" bottom: "aside" }\n'),
    "two losses": Case(
        conv("conv", "data")
        + RELU
        + ip("ip", "conv")
        + ip("other", "conv")
        + softmax("loss", "ip", "loss_weight: 0.3")
        + softmax("loss2", "other", "loss_weight: 2")
    ),
    "forced": Case("force_backward: true\n" + CONV),
    "rnn": Case(recurrent("RNN")),
    "lstm": Case(recurrent("LSTM")),
    "normalized by fixed": Case(
        conv("conv", "data")
        + layer("norm", "BatchNorm", "conv", FIXED, "conv")
        + layer("scale", "Scale", "conv", "scale_param { bias_term: true }", "conv")
        + layer("prelu", "PReLU", "conv", top="conv")
        + layer("up", "Deconvolution", "conv", f"convolution_param {{ num_output: 4 kernel_size: 2 {FILLER} }}")
        + ip("ip", "up")
        + LOSS
    ),
    "embedded": Case(
        layer("embed", "Embed", "label", f"embed_param {{ input_dim: 3 num_output: 6 {FILLER} }}")
        + ip("ip", "embed")
        + LOSS
    ),
    "nothing learned": Case(layer("loss", "EuclideanLoss", "data data")),
    # by the script
    "held": Case(script="holds arrays"),
    "looked at": Case(script="runs backward in one process, between iterations"),
    "failed": Case(script="goes on after a failure in one process", alike=False),
    "failed and held": Case(script="goes on after a failure in one process, and holds arrays", alike=False),
    # by what each process normalizes
    "normalized": Case(
        conv("conv", "data")
        + layer("norm", "BatchNorm", "conv", top="conv")
        + layer("scale", "Scale", "conv", "scale_param { bias_term: true }", "conv")
        + RELU
        + ip("ip", "conv")
        + LOSS,
        alike=False,
    ),
    "ignored": Case(
        conv("conv", "data") + ip("ip", "conv") + softmax("loss", "ip", loss="ignore_label: 2"), alike=False
    ),
}


def write(folder):
    """Write the data, and the nets and solvers of each case: for two processes, and for one of twice the batch."""
    rng = np.random.RandomState(0)
    with h5py.File(folder / "data.h5", "w") as file:
        file["data"] = rng.standard_normal((ROWS, 2, 5, 5)).astype(np.float32)
        file["label"] = rng.randint(0, 3, ROWS).astype(np.float32)
        file["sequence"] = rng.standard_normal((ROWS, 4, 3)).astype(np.float32)
        file["continues"] = (rng.uniform(size=(ROWS, 4)) < 0.7).astype(np.float32)
    (folder / "data.txt").write_text("data.h5\n")
    for name, case in CASES.items():
        for how, batch in (("by two", BATCH), ("by one", 2 * BATCH)):
            path = folder / f"{name} {how}.prototxt"
            path.write_text(DATA % batch + case.net)
            rule = f'lr_policy: "fixed" random_seed: 1 snapshot_prefix: "x" {case.solver}'
            path.with_suffix(".solver").write_text(f'net: "{path.name}" type: "{case.kind}" {rule}')


def learn(name, how="by one", nccl_of=None, rank=0):
    """Train a case; return its losses and, by layer, its learned values. nccl_of: makes the NCCL of its solver."""
    solver = caffe.get_solver(f"{name} {how}.solver")
    net, script = solver.net, CASES[name].script
    if nccl_of is not None:
        nccl = nccl_of(solver)
        nccl.bcast()
        solver.add_callback(nccl)
        if solver.param.layer_wise_reduce:
            net.after_backward(nccl)
    step = iterations(solver, script, rank)
    losses = []
    for i in range(STEPS):
        step(i)
        losses.append([net.blobs[loss].data.item() for loss in net.outputs if "loss" in loss])
    if nccl_of is not None:
        nccl._group.close()
    return {"losses": np.array(losses), **values_of(net)}


def values_of(net):
    return {f"{owner}/{i}": blob.data for owner, blobs in net.params.items() for i, blob in enumerate(blobs)}


def learn_by_hand(name):
    """Train a case in this process by two solvers, whose gradients are averaged here; return the first's values."""
    caffe.set_solver_count(2)
    solvers = []
    for rank in (1, 0):
        caffe.set_solver_rank(rank)
        solvers.append(caffe.get_solver(f"{name} by two.solver"))
    caffe.set_solver_count(1)
    second, first = solvers
    pairs = list(zip(first.net.learnable, second.net.learnable))
    for ours, theirs in pairs:
        theirs.data[...] = ours.data
    for _ in range(STEPS):
        for solver in solvers:
            solver.net.clear_param_diffs()
            for _ in range(solver.param.iter_size):
                solver.net.forward()
                solver.net.backward()
        for ours, theirs in pairs:
            ours.diff[...] = theirs.diff[...] = (ours.diff + theirs.diff) / 2
        for solver in solvers:
            solver.apply_update()
    return values_of(first.net)


def iterations(solver, script, rank):
    """Return what does an iteration, by its number, as the script does it."""
    net = solver.net
    arrays = [array for blob in net.learnable for array in (blob.data, blob.diff)] if "holds" in script else []
    failures = [2] if "failure" in script and rank == 1 else []
    now = 0

    def fails(layer):
        if now in failures and net.layers[layer].type == "Convolution":
            failures.clear()
            raise ValueError("once")

    if failures:
        net.before_backward(fails)

    def step(i, _held=arrays):
        nonlocal now
        now = i
        if "between" in script and rank == 1 and i:
            net.backward()
        try:
            solver.step(1)
        except ValueError:
            solver.step(1)

    return step


def run(folder, count, bucket, rank, uids):
    torch.set_num_threads(1)
    caffe.set_solver_count(count)
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)
    for name, uid in uids.items():
        np.savez(
            folder / f"{name}.{rank}.npz",
            **learn(name, "by two", lambda solver, uid=uid: caffe.NCCL(solver, uid, bucket=bucket), rank),
        )


if __name__ == "__main__":
    folder, count, bucket = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    uids = {name: caffe.NCCL.new_uid() for name in CASES}
    processes = [Process(target=run, args=(folder, count, bucket, rank, uids), daemon=True) for rank in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT)
    sys.exit(any(process.exitcode != 0 for process in processes))

"""Nets that give memory back beside nets that keep all: what is still there, and all that is learned, is equal.

To the bit, whatever a script does between iterations, for layers that share memory, keep arrays or leave gradients.
"""

import numpy as np
import pytest

from caffe_pylayers import pycaffe
from caffe_pylayers.runtime.memory.given_back import GivenBackError

FILLERS = 'weight_filler { type: "xavier" } bias_filler { type: "gaussian" std: 0.1 }'


def layer(kind, bottoms, tops, param=""):
    names = [f'bottom: "{name}"' for name in bottoms.split()] + [f'top: "{name}"' for name in tops.split()]
    return f'layer {{ name: "{kind}_{tops}" type: "{kind}" {" ".join(names)} {param} }}\n'


def inputs(**shapes):
    dims = " ".join(f"shape {{ dim: {list(shape)} }}" for shape in shapes.values())
    return layer("Input", "", " ".join(shapes), f"input_param {{ {dims} }}")


def conv(bottom, top, outputs=4, more="", kind="Convolution", extra=""):
    size = more or "kernel_size: 3 pad: 1"
    return layer(kind, bottom, top, f"convolution_param {{ num_output: {outputs} {size} {FILLERS} }} {extra}")


def product(bottom, top, outputs=5, more="", extra=""):
    return layer(
        "InnerProduct", bottom, top, f"inner_product_param {{ num_output: {outputs} {more} {FILLERS} }} {extra}"
    )


def python(bottom, top, name):
    return layer("Python", bottom, top, f'python_param {{ module: "tests.runtime.my_layers" layer: "{name}" }}')


SQUARES = "reduction_param { operation: SUMSQ } loss_weight: 0.1"
DOUBLED = "kernel_size: 4 pad: 1 stride: 2"
SEGMENTATION = (
    inputs(data=(2, 3, 8, 8), label=(2, 1, 8, 8))
    + conv("data", "a")
    + layer("BatchNorm", "a", "a")
    + layer("Scale", "a", "a", "scale_param { bias_term: true }")
    + layer("ReLU", "a", "a")
    + layer("Pooling", "a", "b", "pooling_param { kernel_size: 2 stride: 2 }")
    + conv("b", "c", 5, DOUBLED, "Deconvolution")
    + conv("a", "d", 5, "kernel_size: 1")
    + layer("Crop", "d c", "e", "crop_param { axis: 2 offset: 0 }")
    + layer("Eltwise", "c e", "score")
    + layer("SoftmaxWithLoss", "score label", "loss", "loss_param { ignore_label: 4 } loss_weight: 2")
    + layer("Accuracy", "score label", "accuracy")
    + layer("Interp", "b", "f", "interp_param { zoom_factor: 3 }")
    + layer("Crop", "f b", "g", "crop_param { axis: 2 offset: 1 }")
    + layer("Reduction", "g", "aux", SQUARES)
)
SHARED = 'param { name: "w" } param { name: "v" lr_mult: 2 decay_mult: 0 }'
SIAMESE = (
    inputs(data=(4, 2, 6, 6), label=(4,))
    + layer("Slice", "data", "a b", "slice_param { axis: 1 }")
    + conv("a", "c", extra=SHARED)
    + conv("b", "d", extra=SHARED)
    + product("c", "e", 3, extra=SHARED.replace("w", "x").replace('"v"', '"y"'))
    + product("d", "f", 3, extra=SHARED.replace("w", "x").replace('"v"', '"y"'))
    + layer("ContrastiveLoss", "e f label", "loss")
)
CELLS = 'recurrent_param { num_output: 6 weight_filler { type: "uniform" min: -0.3 max: 0.3 } }'
RECURRENT = (
    inputs(data=(3, 2, 5), label=(3, 2), cont=(3, 2))
    + product("data", "a", more="axis: 2")
    + layer("LSTM", "a cont", "b", CELLS)
    + layer("RNN", "b cont", "c", CELLS)
    + layer("Dropout", "c", "c")
    + layer("Concat", "c b", "d", "concat_param { axis: 2 }")
    + product("d", "e", more="axis: 2")
    + layer("SoftmaxWithLoss", "e label", "loss", "softmax_param { axis: 2 }")
)
IN_PLACE = (
    inputs(data=(4, 3, 6, 6), label=(4,))
    + conv("data", "a")
    + layer("BatchNorm", "a", "a")
    + layer("ReLU", "a", "a", "relu_param { negative_slope: 0.1 }")
    + layer("ELU", "a", "b")
    + layer("Sigmoid", "b", "b")
    + layer("Power", "b", "b", "power_param { scale: 1.5 shift: 0.1 }")
    + conv("b", "c", extra="param { lr_mult: 0 } param { lr_mult: 0 }")
    + layer("Eltwise", "a c b", "d", "eltwise_param { operation: PROD }")
    + layer("ReLU", "d", "d")
    + layer("Reduction", "d", "middle", "reduction_param { operation: ASUM axis: 1 } loss_weight: 0.01")
    + layer("Reduction", "middle", "aux", SQUARES)
    + layer("LRN", "d", "e")
    + layer("Flatten", "e", "f")
    + product("f", "g")
    + product("c", "h", extra="propagate_down: false")
    + layer("Eltwise", "g h", "i")
    + layer("SoftmaxWithLoss", "i label", "loss")
    + layer("Softmax", "i", "j")
    + layer("ArgMax", "j", "k")
    + layer("Silence", "k", "")
)
PYTHON = (
    inputs(data=(4, 3, 6, 6), label=(4,))
    + conv("data", "a")
    + python("a", "b", "Leaves")
    + conv("b", "c")
    + layer("ReLU", "c", "c")
    + python("c", "d", "Leaves")
    + conv("c", "e")
    + layer("Eltwise", "d e", "f")
    + product("f", "g")
    + layer("SoftmaxWithLoss", "g label", "loss")
)
NETS = {
    "segmentation": SEGMENTATION,
    "siamese": SIAMESE,
    "recurrent": RECURRENT,
    "in_place": IN_PLACE,
    "python": PYTHON,
}


class Trained:
    """A solver of a net, and what has been seen of it: arrays by a title, None for what is given back."""

    def __init__(self, folder, text, reuse, rule):
        (folder / "net.prototxt").write_text(text)
        self._prefix = folder / ("reuse" if reuse else "keeps")
        path = folder / "solver.prototxt"
        path.write_text(
            f'net: "{folder}/net.prototxt" test_iter: 1 test_interval: 2 base_lr: 0.02 lr_policy: "step" gamma: 0.5 '
            f'stepsize: 3 momentum: 0.9 weight_decay: 0.01 random_seed: 7 snapshot_prefix: "{self._prefix}" {rule}'
        )
        self.solver = pycaffe.get_solver(str(path))
        self.seen = []
        if reuse:
            self.solver.reuse_memory()

    def fill(self, seed, batch):
        rng = np.random.RandomState(seed)
        for net in (self.solver.net, *self.solver.test_nets):
            for name in net.inputs:
                blob, axis = net.blobs[name], int("cont" in net.blobs and name in ("data", "cont", "label"))
                blob.reshape(*(batch if i == axis else size for i, size in enumerate(blob.shape)))
                whole = name != "data"
                blob.data[...] = rng.randint(0, 2, blob.shape) if whole else rng.standard_normal(blob.shape)

    def look(self, title, at_diffs=True):
        """See all blobs of the nets, without asking for an array, and what is learned."""
        solver = self.solver
        for i, net in enumerate((solver.net, *solver.test_nets)):
            for name, blob in net.blobs.items():
                for read in (blob.read, blob.read_diff):
                    try:
                        self.seen.append((f"{title} {i} {name} {read.__name__}", read().clone().cpu().numpy()))
                    except GivenBackError:
                        self.seen.append((f"{title} {i} {name} {read.__name__}", None))
        learned = [blob.read() for blob in (*solver.net.learnable, *solver.history)]
        learned += [blob.read_diff() for blob in solver.net.learnable if at_diffs]
        self.seen += [(f"{title} learned {i}", values.clone().cpu().numpy()) for i, values in enumerate(learned)]

    def add(self, title, arrays):
        self.seen += [(f"{title} {name}", values.copy()) for name, values in arrays.items()]

    def files(self):
        """See the files that the solver has written."""
        for path in sorted(self._prefix.parent.glob(f"{self._prefix.name}_*")):
            content = path.read_bytes().replace(self._prefix.name.encode(), b"xxxx")
            self.seen.append((path.name.partition("_")[2], np.frombuffer(content.ljust(1), np.uint8)))


def batches_of_all_sizes(own):
    for i, batch in enumerate((4, 2, 6, 1, 6)):
        own.fill(i, batch)
        own.solver.step(1)
        own.look(i, at_diffs=i % 2)


def restored(own):
    own.fill(0, 4)
    own.solver.step(2)
    own.solver.snapshot()
    own.solver.step(2)
    own.solver.restore(f"{own._prefix}_iter_2.solverstate")
    own.look("restored")
    own.solver.step(1)
    own.solver.history[0].data[...] = 1
    own.look("history changed")
    own.solver.step(1)
    own.look("on")
    own.files()


def run_by_a_script_between(own):
    net = own.solver.net
    names = list(net._layer_names)
    middle = len(names) // 2
    for i in range(2):
        own.fill(i, 4 - i)
        own.solver.step(1)
        own.add(f"{i} whole", net.forward())
        net.clear_param_diffs()
        own.add(i, net.forward(start=names[0], end=names[middle]))
        own.add(i, net.forward(start=names[middle + 1]))
        own.add(i, net.backward(end=names[middle + 1]))
        own.add(i, net.backward(start=names[middle]))
        own.solver.apply_update()
        own.look(i)


def arrays_that_are_kept(own):
    own.fill(0, 4)
    blobs = own.solver.net.blobs
    kept = {name: (blobs[name].data[1:], blobs[name].diff) for name in list(blobs)[::3]}
    for i, batch in enumerate((4, 2, 6, 4)):
        own.fill(i, batch)
        own.solver.step(1)
        own.look(i)
        own.add(i, {f"kept {name} {k}": array for name, arrays in kept.items() for k, array in enumerate(arrays)})


def interrupted(own):
    own.fill(0, 4)
    own.solver.step(1)
    learning = [step for step in own.solver.net.steps if step.backward]
    for i, (step, method) in enumerate(((learning[2], "forward"), (learning[1], "backward"))):
        run = getattr(step.worker, method)

        def interrupt(*args):
            raise KeyboardInterrupt

        setattr(step.worker, method, interrupt)
        with pytest.raises(KeyboardInterrupt):
            own.solver.step(1)
        setattr(step.worker, method, run)
        own.solver.snapshot()
        own.solver.step(1)
        own.look(i)
    own.files()


CASES = [
    *((batches_of_all_sizes, net, "") for net in NETS),
    (batches_of_all_sizes, "segmentation", "iter_size: 2"),
    (batches_of_all_sizes, "siamese", "clip_gradients: 0.05"),
    (batches_of_all_sizes, "in_place", "debug_info: true display: 2"),
    (restored, "siamese", ""),
    (restored, "python", "snapshot_diff: true"),
    (run_by_a_script_between, "segmentation", ""),
    (run_by_a_script_between, "recurrent", ""),
    (arrays_that_are_kept, "segmentation", ""),
    (arrays_that_are_kept, "python", ""),
    (interrupted, "siamese", ""),
    (interrupted, "python", ""),
]


@pytest.mark.parametrize(("use", "net", "rule"), CASES)
def test_the_same_is_computed(tmp_path, use, net, rule):
    seen = []
    for reuse in (False, True):
        own = Trained(tmp_path, NETS[net], reuse, rule)
        use(own)
        seen.append(own.seen)
    keeps, reuses = seen
    assert [title for title, _ in keeps] == [title for title, _ in reuses]
    assert any(values is None for _, values in reuses)
    for (title, wanted), (_, found) in zip(keeps, reuses):
        if found is not None:
            np.testing.assert_array_equal(found, wanted, title)

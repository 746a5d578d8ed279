"""Uses of nets by scripts, on either engine: each function takes its ``caffe`` and returns arrays by name.

uses.py FILE: under real Caffe, writes the arrays of all of them to an npz.
"""

import os
import sys
import tempfile
import types

import numpy as np

TRAIN = 0
INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { %s } } }\n'
ROWS = INPUT % "dim: 2 dim: 3"
IMAGES = INPUT % "dim: 2 dim: 2 dim: 3 dim: 3"


def make(caffe, text, phase=TRAIN):
    """The net of a prototxt."""
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write(text)
        file.flush()
        return caffe.Net(file.name, phase)


def stored(*shape, first=1, extra=""):
    """A BlobProto in a prototxt: consecutive numbers."""
    values = " ".join(f"data: {first + i}" for i in range(int(np.prod(shape, dtype=int))))
    return f"blobs {{ shape {{ {' '.join(f'dim: {n}' for n in shape)} }} {values} {extra} }}"


def layer(kind, param, bottom="x", top="y"):
    """A layer's prototxt."""
    names = "".join(f' bottom: "{name}"' for name in bottom.split()) + "".join(f' top: "{t}"' for t in top.split())
    return f'layer {{ name: "{kind}_{top}" type: "{kind}"{names} {param} }}\n'


RANDOM = 'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 }'
GIVEN = {
    "InnerProduct": (ROWS, f"inner_product_param {{ num_output: 2 {RANDOM} }}", [(2, 3), (2,)]),
    "Convolution": (IMAGES, f"convolution_param {{ num_output: 2 kernel_size: 2 {RANDOM} }}", [(2, 2, 2, 2), (2,)]),
    "Deconvolution": (IMAGES, f"convolution_param {{ num_output: 1 kernel_size: 2 {RANDOM} }}", [(2, 1, 2, 2), (1,)]),
    "Embed": (
        INPUT % "dim: 2",
        f"embed_param {{ input_dim: 4 num_output: 2 bias_term: false {RANDOM} }}",
        [(4, 2)],
    ),
    "PReLU": (ROWS, 'prelu_param { filler { type: "gaussian" std: 1 } }', [(3,)]),
    "Scale": (ROWS, 'scale_param { bias_term: true bias_filler { type: "gaussian" std: 1 } }', [(3,), (3,)]),
    "Bias": (ROWS, 'bias_param { filler { type: "gaussian" std: 1 } }', [(3,)]),
    "BatchNorm": (ROWS, "batch_norm_param { use_global_stats: true }", [(3,), (3,), (1,)]),
    "ReLU": (ROWS, "", [(2,)]),
}


def learned_values_in_a_prototxt(caffe):
    """They are the layer's starting values, and fillers are passed over; a type that learns nothing keeps them too."""
    found = {}
    for kind, (source, param, shapes) in GIVEN.items():
        given = " ".join(stored(*shape, first=1 + 10 * i) for i, shape in enumerate(shapes))
        net = make(caffe, source + layer(kind, f"{param} {given}"))
        net.blobs["x"].data.flat[...] = np.arange(net.blobs["x"].data.size) % 4
        net.forward()
        found[f"{kind} y"] = net.blobs["y"].data
        for i, blob in enumerate(net.params[f"{kind}_y"]):
            found[f"{kind} {i}"] = blob.data
    with_diff = stored(3, extra="diff: 7 diff: 8 diff: 9")
    net = make(caffe, ROWS + layer("Bias", with_diff))
    found["Bias diff"] = net.params["Bias_y"][0].diff
    cont = layer("DummyData", "dummy_data_param { shape { dim: 2 dim: 3 } }", "", "cont")
    sequence = INPUT % "dim: 2 dim: 3 dim: 1"
    given = stored(4, 1) + stored(4) + stored(4, 1)
    net = make(caffe, sequence + cont + layer("LSTM", f"recurrent_param {{ num_output: 1 }} {given}", "x cont"))
    found.update({f"LSTM {i}": blob.data for i, blob in enumerate(net.params["LSTM_y"])})
    return found


def blobs_reshaped_from_outside(caffe):
    """Every forward gives a layer's tops their shapes, whatever somebody has made of them meanwhile."""
    text = IMAGES + layer("ReLU", "") + layer("Pooling", "pooling_param { kernel_size: 2 }", "y", "z")
    net = make(caffe, text + layer("Flatten", "", "z", "w") + layer("Power", "power_param { scale: 2 }", "y", "v"))
    net.blobs["x"].data[...] = np.arange(36).reshape(2, 2, 3, 3)
    found = {}
    for i, shapes in enumerate(({"y": (5, 1)}, {"z": (2,)}, {"w": (7, 3, 2)}, {"y": (900,), "v": (1, 1, 1)})):
        for name, shape in shapes.items():
            net.blobs[name].reshape(*shape)
        net.forward()
        found.update({f"{i} {name}": np.array(blob.data) for name, blob in net.blobs.items()})
    return found


def loss_weights_of_blobs(caffe):
    """Of a blob that several layers write, it is the last one's; Caffe refuses a loss that is written over."""
    text = ROWS + layer("Power", "") + layer("ReLU", "", "y", "y") + layer("Swish", "loss_weight: 0.5", "y", "y")
    text += layer("EuclideanLoss", "", "y x", "z") + layer("Power", "loss_weight: -2", "x", "w")
    net = make(caffe, text)
    return {name: np.float32(weight) for name, weight in net.blob_loss_weights.items()}


def batches_longer_than_the_net(caffe):
    """forward_all and forward_backward_all; the last batch is filled up."""
    other = layer("Input", "input_param { shape { dim: 2 dim: 3 } }", "", "z")
    product = layer("Eltwise", "eltwise_param { operation: PROD }", "y z", "w")
    net = make(caffe, "force_backward: true\n" + ROWS + other + layer("Power", "power_param { scale: 2 }") + product)
    long = np.arange(15, dtype=np.float32).reshape(5, 3)
    found = dict(net.forward_all(x=long, z=long + 1, blobs=["y"]))
    outs, diffs = net.forward_backward_all(x=long, z=long - 2, w=long + 3, blobs=["y"], diffs=["w"])
    found.update({f"out {name}": values for name, values in outs.items()})
    # pycaffe leaves the filling in some of them
    found.update({f"diff {name}": np.asarray(values)[: len(long)] for name, values in diffs.items()})
    return found


def memory_data(caffe):
    """set_input_arrays: batch after batch and round again; new arrays begin anew; transform_param does not apply."""
    sizes = "memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 } transform_param { scale: 3 }"
    net = make(caffe, layer("MemoryData", sizes, "", "x label") + layer("Power", "power_param { shift: 1 }"))
    data, labels = np.arange(16, dtype=np.float32).reshape(4, 1, 2, 2), np.arange(4, dtype=np.float32)
    found = {"shape": np.float32(net.blobs["label"].data.shape)}

    def run(name):
        net.forward()
        found.update({f"{name} {blob}": np.array(net.blobs[blob].data) for blob in ("x", "label", "y")})

    net.set_input_arrays(data, labels)
    for i in range(3):
        run(f"first {i}")
    net.set_input_arrays(-data[:2], labels[:2, None, None, None])
    run("second 0")
    data[:2] = 9  # no copy of it is taken
    net.set_input_arrays(data, labels)
    run("third 0")
    return found


def arrays_kept_within_a_net(caffe):
    """A layer and callbacks that have asked for arrays once see in them what the blobs hold, and write to them."""

    class Keeps(caffe.Layer):
        def setup(self, bottom, top):
            self.arrays = None

        def reshape(self, bottom, top):
            top[0].reshape(*bottom[0].shape)

        def forward(self, bottom, top):
            if self.arrays is None:
                self.arrays = bottom[0].data, bottom[0].diff, top[0].data, top[0].diff
            self.arrays[2][...] = 2 * self.arrays[0]

        def backward(self, top, propagate_down, bottom):
            self.arrays[1][...] = 2 * self.arrays[3]

    sys.modules["of_this_use"] = types.ModuleType("of_this_use")
    sys.modules["of_this_use"].Keeps = Keeps
    values = stored(2, 2, 3, 3, first=-17)
    size = "convolution_param { num_output: 2 kernel_size: 3 pad: 1 bias_term: false }"
    text = "force_backward: true\n" + IMAGES + layer("Convolution", f"{size} {values}", "x", "y")
    text += layer("Python", 'python_param { module: "of_this_use" layer: "Keeps" }', "y", "z")
    text += layer("Convolution", f"{size} {values}", "z", "w") + layer("ReLU", "", "w", "w")
    text += layer("Reduction", "loss_weight: 0.001", "w", "v")
    net = make(caffe, text, TRAIN)
    kept, found = {}, {}

    def after_forward(i):
        if i == 1:
            if not kept:
                kept["y"] = net.blobs["y"].data
            kept["y"][:, 1] /= 2
        if kept:
            found[f"{len(found)} y after {i}"] = np.array(kept["y"])

    def after_backward(i):
        if i == 3:
            if "dz" not in kept:
                kept["dz"], kept["dw"] = net.blobs["z"].diff, net.params["Convolution_w"][0].diff
            kept["dz"][0] *= 3
        if "dw" in kept:
            found.update({f"{len(found)} {name} after {i}": np.array(kept[name]) for name in ("dz", "dw")})

    net.after_forward(after_forward)
    net.after_backward(after_backward)
    for i in range(3):
        net.blobs["x"].data[...] = np.arange(36).reshape(2, 2, 3, 3) % (5 + i)
        net.forward()
        net.backward()
        found.update({f"{i} loss": np.array(net.blobs["v"].data), f"{i} dx": np.array(net.blobs["x"].diff)})
    return found


USES = [
    learned_values_in_a_prototxt,
    blobs_reshaped_from_outside,
    loss_weights_of_blobs,
    batches_longer_than_the_net,
    memory_data,
    arrays_kept_within_a_net,
]


def record(path):
    """Write the arrays of all uses, computed by real Caffe, to an npz."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    import caffe

    np.savez(path, **{f"{use.__name__}/{name}": x for use in USES for name, x in use(caffe).items()})


if __name__ == "__main__":
    record(sys.argv[1])

"""Native layers with extreme parameters, forward and backward, in a process that may die.

    python -m tests.fuzz.layer_parameters [--seed 0] [--cases 2000] [TYPE ...]

Each outcome is one of: ok; clean, an error that names the layer; obscure, any other exception; crash; hang, more
than LIMIT seconds. Exit code 1 for one of the last three. The process may have MEMORY bytes, so that what is merely
large is refused. Without --cases every parameter is tried alone with each value; with it, random ones together.
"""

import argparse
import json
import queue
import random
import resource
import subprocess
import sys
import threading
from collections import Counter

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

INTEGERS = [0, -1, 1, 2, 2**15 - 1, 2**15, 2**16, 10**5, 2**30, 2**31 - 1, 2**32 - 1, -(2**31)]
REALS = [float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 3e38, 1e-45]
LIMIT = 10
MEMORY = 3 << 30

MAPS = (1, 2, 3, 4)
SIDES = "{0}_h: 2 {0}_w: 2 stride_h: 1 stride_w: 1 pad_h: 0 pad_w: 0"
# type, parameters to start from, shapes of the bottoms, number of tops
LAYERS = [
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 2 }", [MAPS], 1),
    (
        "Convolution",
        "convolution_param { num_output: 2 kernel_size: 2 stride: 2 pad: 2 dilation: 2 group: 2 }",
        [MAPS],
        1,
    ),
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 2 }", [(1, 2, 9)], 1),
    ("Convolution", "convolution_param { num_output: 2 kernel_size: 2 }", [(1, 2, 3, 3, 3, 3)], 1),
    ("Convolution", f"convolution_param {{ num_output: 2 {SIDES.format('kernel')} }}", [MAPS], 1),
    ("Deconvolution", "convolution_param { num_output: 2 kernel_size: 2 }", [MAPS], 1),
    ("Deconvolution", "convolution_param { num_output: 1 kernel_size: 1 bias_term: false }", [(1, 1, 1, 2)], 1),
    ("Deconvolution", f"convolution_param {{ num_output: 2 {SIDES.format('kernel')} }}", [MAPS], 1),
    ("Im2col", "convolution_param { kernel_size: 2 }", [MAPS], 1),
    ("Im2col", f"convolution_param {{ {SIDES.format('kernel')} }}", [MAPS], 1),
    ("Pooling", "pooling_param { kernel_size: 2 }", [MAPS], 1),
    ("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 pad: 1 }", [MAPS], 1),
    ("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }", [MAPS], 1),
    ("Pooling", f"pooling_param {{ {SIDES.format('kernel')} }}", [MAPS], 2),
    ("Pooling", f"pooling_param {{ pool: AVE {SIDES.format('kernel')} }}", [MAPS], 1),
    ("SPP", "spp_param { pyramid_height: 2 }", [(2, 3, 8, 8)], 1),
    ("LRN", "lrn_param { }", [MAPS], 1),
    ("LRN", "lrn_param { norm_region: WITHIN_CHANNEL }", [MAPS], 1),
    ("Crop", "crop_param { }", [MAPS, (1, 2, 2, 3)], 1),
    ("Tile", "tile_param { tiles: 2 }", [MAPS], 1),
    ("Concat", "concat_param { }", [MAPS, MAPS], 1),
    ("Slice", "slice_param { }", [MAPS], 2),
    ("Slice", "slice_param { slice_point: 1 }", [MAPS], 2),
    ("Reshape", "reshape_param { shape { dim: 2 dim: -1 } }", [MAPS], 1),
    ("Flatten", "flatten_param { }", [MAPS], 1),
    ("Embed", "embed_param { input_dim: 5 num_output: 3 }", [(2, 3)], 1),
    ("InnerProduct", "inner_product_param { num_output: 3 }", [MAPS], 1),
    ("ArgMax", "argmax_param { }", [MAPS], 1),
    ("ArgMax", "argmax_param { axis: 1 top_k: 2 out_max_val: true }", [MAPS], 1),
    ("Reduction", "reduction_param { }", [MAPS], 1),
    ("Softmax", "softmax_param { }", [MAPS], 1),
    ("SoftmaxWithLoss", "softmax_param { } loss_param { }", [(4, 3), (4,)], 1),
    ("Accuracy", "accuracy_param { }", [(4, 3), (4,)], 1),
    ("InfogainLoss", "infogain_loss_param { } loss_param { }", [(4, 3), (4,), (3, 3)], 1),
    ("SigmoidCrossEntropyLoss", "loss_param { }", [(4, 3), (4, 3)], 1),
    ("HingeLoss", "hinge_loss_param { }", [(4, 3), (4,)], 1),
    ("ContrastiveLoss", "contrastive_loss_param { }", [(4, 3), (4, 3), (4,)], 1),
    ("Scale", "scale_param { bias_term: true }", [MAPS], 1),
    ("Scale", "scale_param { }", [MAPS, (1,)], 1),
    ("Bias", "bias_param { }", [MAPS], 1),
    ("PReLU", "prelu_param { }", [MAPS], 1),
    ("BatchNorm", "batch_norm_param { }", [MAPS], 1),
    ("MVN", "mvn_param { }", [MAPS], 1),
    ("LSTM", "recurrent_param { num_output: 3 }", [(3, 2, 4), (3, 2)], 1),
    ("RNN", "recurrent_param { num_output: 3 }", [(3, 2, 4), (3, 2)], 1),
    ("Input", "input_param { shape { dim: 2 dim: 3 } }", [], 1),
    ("DummyData", "dummy_data_param { shape { dim: 2 dim: 3 } }", [], 1),
    ("DummyData", "dummy_data_param { num: 1 channels: 1 height: 1 width: 2 }", [], 1),
    ("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", [], 1),
    ("Eltwise", "eltwise_param { coeff: 1 coeff: 2 }", [MAPS, MAPS], 1),
    ("Dropout", "dropout_param { }", [MAPS], 1),
    ("ReLU", "relu_param { }", [MAPS], 1),
    ("ELU", "elu_param { }", [MAPS], 1),
    ("Swish", "swish_param { }", [MAPS], 1),
    ("Power", "power_param { }", [MAPS], 1),
    ("Exp", "exp_param { }", [MAPS], 1),
    ("Log", "log_param { }", [MAPS], 1),
    ("Clip", "clip_param { min: -1 max: 1 }", [MAPS], 1),
    ("Threshold", "threshold_param { }", [MAPS], 1),
]


def each_alone(kinds=()):
    """Every parameter of the layers with each of its values: (text, bottoms, tops)."""
    for base, *rest in _bases(kinds):
        for place, field in _fields(base):
            for value in _values(field):
                changed = _with(base, [(place, field, value)])
                if changed:
                    yield changed, *rest


def some_together(seed, count, kinds=()):
    """As many layers with two to four parameters changed at random."""
    draw, bases = random.Random(seed), list(_bases(kinds))
    while count:
        base, *rest = draw.choice(bases)
        fields = [(place, field, _values(field)) for place, field in _fields(base)]
        fields = [found for found in fields if found[2]]
        chosen = draw.sample(fields, min(len(fields), draw.choice([2, 3, 4])))
        changed = _with(base, [(place, field, draw.choice(values)) for place, field, values in chosen])
        if changed:
            count -= 1
            yield changed, *rest


def _bases(kinds):
    from caffe_pylayers.runtime.proto.caffe_pb2 import LayerParameter

    for kind, text, bottoms, tops in LAYERS:
        if not kinds or kind in kinds:
            yield text_format.Parse(f'name: "l" type: "{kind}" {text}', LayerParameter()), bottoms, tops


def _fields(message, place=()):
    """The fields of a layer's own parameters, with the way to the message that has them."""
    for field in message.DESCRIPTOR.fields:
        if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            if place:
                yield place, field
        elif place or (field.name.endswith("_param") and message.HasField(field.name)):
            value = getattr(message, field.name)
            for i, inner in enumerate([value] if hasattr(value, "DESCRIPTOR") else value):
                yield from _fields(inner, (*place, (field.name, i)))


def _values(field):
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return REALS
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return [value.number for value in field.enum_type.values]
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return [False, True]
    return [] if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else INTEGERS


def _with(base, changes):
    """The layer's text with these values; None where a field cannot hold one."""
    param = type(base)()
    param.CopyFrom(base)
    for place, field, value in changes:
        message = param
        for name, i in place:
            inner = getattr(message, name)
            message = inner if hasattr(inner, "DESCRIPTOR") else inner[i]
        values = getattr(message, field.name)
        try:
            if isinstance(values, (int, float)):
                setattr(message, field.name, value)
            else:
                values[-1:] = [value]
        except ValueError:
            return None
    return text_format.MessageToString(param, as_one_line=True)


def outcomes(cases):
    """(outcome, what was said, text) of each case."""
    runner = None
    for text, bottoms, tops in cases:
        runner = runner or _Runner()
        outcome, said = runner.run(json.dumps([text, bottoms, tops]))
        if outcome in ("crash", "hang"):
            runner = None
        yield outcome, said, text
    if runner:
        runner.end()


class _Runner:
    """A process that runs cases."""

    def __init__(self):
        command = [sys.executable, "-m", __spec__.name, "--run"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._lines.get(timeout=120) == "ready\n"

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def run(self, case):
        self._process.stdin.write(case + "\n")
        self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=LIMIT)
        except queue.Empty:
            self.end()
            return "hang", ""
        return json.loads(line) if line else ("crash", f"return code {self._process.wait()}")

    def end(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def _serve():
    """In the process: an outcome for each case."""
    from caffe_pylayers.runtime.net.net import Net

    assert Net  # which loads all of the runtime
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_outcome(*json.loads(line))), flush=True)


def _outcome(text, bottoms, tops):
    import numpy as np

    from caffe_pylayers.runtime.layers.layer import LAYERS as TYPES
    from caffe_pylayers.runtime.layers.layer import LayerError, LayerMemoryError
    from caffe_pylayers.runtime.memory.blob import Blob
    from caffe_pylayers.runtime.net.step import Step
    from caffe_pylayers.runtime.proto.caffe_pb2 import LayerParameter

    stage, param = "setup", text_format.Parse(text, LayerParameter())
    try:
        layer = TYPES.get(param.type)(param, 0)
        bottom, top = [Blob(shape) for shape in bottoms], [Blob() for _ in range(tops)]
        for i, blob in enumerate(bottom):
            blob.data[...] = np.random.RandomState(i).rand(*blob.shape) if blob.count > 4 else 1
        step = Step(layer, [], [], bottom, top, backward=True, propagate_down=[i == 0 for i in range(len(bottom))])
        step.setup()
        layer.param_propagate_down = [True] * len(layer.blobs)
        stage = "forward"
        step.run_forward()
        stage = "backward"
        for blob in top:
            blob.read_diff()
        step.run_backward()
    except (LayerError, LayerMemoryError) as error:
        clean = str(error).startswith('layer "l" (') and "\n" not in str(error) and len(str(error)) < 400
        return "clean" if clean else "obscure", f"{stage}: {error}"
    except Exception as error:
        return "obscure", f"{stage}: {type(error).__name__}: {error}"
    return "ok", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        _serve()
        return 0
    cases = some_together(args.seed, args.cases, args.types) if args.cases else each_alone(args.types)
    counts = Counter()
    for outcome, said, text in outcomes(cases):
        counts[outcome] += 1
        if outcome not in ("ok", "clean"):
            print(f"{outcome} {said[:300]}: {text}", flush=True)
    print(dict(counts))
    return int(any(counts[bad] for bad in ("obscure", "crash", "hang")))


if __name__ == "__main__":
    sys.exit(main())

"""Runs cases on real Caffe, with real Caffe's Python.

    record.py CASES.py... FOLDER    writes FOLDER/<family>.npz for each tests/parity/cases/<family>.py
    record.py --serve               pickled facts of a case on stdin, each answered by its recording on stdout

The cases run in forked children: what Caffe refuses ends the process.
"""

import importlib
import os
import pickle
import re
import signal
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path[0] = str(Path(__file__).resolve().parents[2])

import caffe
import numpy as np

from tests.parity.case import Case
from tests.parity.plan import digest, down, layer_text, loss_weights, top_diff
from tests.parity.recording import Recording, save


def run(case):
    """The arrays of a case, by name."""
    caffe.set_mode_cpu()
    caffe.set_random_seed(1701)
    net = build(case)
    last = len(net.layers) - 1
    bottoms = [net._blobs[i] for i in net._bottom_ids(last)]
    tops = [net._blobs[i] for i in net._top_ids(last)]
    learned = list(net.layers[last].blobs)
    arrays = {f"blob{i}": np.array(blob.data) for i, blob in enumerate(learned)}
    if case.arrays:
        net.set_input_arrays(*case.arrays)
    if bottoms:
        net._forward(0, last - 1)
    for values in (case.before, case.bottoms) if case.before else (case.bottoms,):
        for blob, x in zip(bottoms, values):
            blob.reshape(*x.shape)
            blob.data[...] = x
        for i, blob in enumerate(learned):
            blob.data[...] = arrays[f"blob{i}"]
        net._forward(last, last)
    arrays.update((f"top{i}", np.array(top.data)) for i, top in enumerate(tops))
    for i, blob in enumerate(learned):
        if not np.array_equal(blob.data, arrays[f"blob{i}"]):
            arrays[f"after_blob{i}"] = np.array(blob.data)
    if not down(case) and not learned:
        return arrays
    for blob in learned:
        blob.diff[...] = 0
    for i, (top, weight) in enumerate(zip(tops, loss_weights(case, len(tops)))):
        # Caffe has set the weights, but where a top shares a Parameter layer's diff that was another blob.
        top.diff[...] = weight or top_diff(i, top.diff.shape)
    net._backward(last, last)
    arrays.update((f"d_bottom{i}", np.array(bottoms[i].diff)) for i in down(case))
    arrays.update((f"d_blob{i}", np.array(blob.diff)) for i, blob in enumerate(learned))
    return arrays


def build(case):
    """A net of the layer and what its bottoms come from: a Parameter layer where a gradient is wanted, else Input.

    Caffe runs a layer backward where its bottoms depend on parameters and a top counts as loss, or else by force.
    """
    layers = []
    for i, x in enumerate(case.before or case.bottoms):
        source = "Parameter" if i in down(case) else "Input"
        shape = "shape { " + " ".join(f"dim: {n}" for n in x.shape) + " }"
        layers.append(f'name: "in{i}" type: "{source}" top: "b{i}" {source.lower()}_param {{ {shape} }}')
    layers.append(layer_text(case, every_top_counts=True))
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write("" if case.tops else "force_backward: true\n")
        file.writelines(f"layer {{\n{layer}\n}}\n" for layer in layers)
        file.flush()
        return caffe.Net(file.name, case.phase)


def record(cases):
    """The recordings of cases."""
    made = []
    while len(made) < len(cases):
        made += until_refused(cases[len(made) :])
    return made


def until_refused(cases):
    """The recordings up to the first that Caffe refuses, made by a forked child: a refusal ends the process."""
    with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as log:
        child = os.fork()
        if not child:
            answer(cases, answers, log)
        status = os.waitpid(child, 0)[1]
        answers.seek(0)
        made = [Recording(digest(case), unpack(arrays)) for case, arrays in zip(cases, unpickled(answers))]
        if status:
            log.seek(0)
            said = reason(log.read().decode(errors="replace"))
            made.append(Recording(digest(cases[len(made)]), refused=said or f"wait status {status}"))
        return made


def answer(cases, answers, log):
    """Run the cases and end; what is said goes to the log."""
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    status = 1
    try:
        for case in cases:
            signal.alarm(60)  # some it never ends
            log.seek(0)
            log.truncate()
            pickle.dump(pack(run(case)), answers)
            answers.flush()
        status = 0
    except Exception as error:
        os.write(2, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(status)


def pack(arrays):
    """Arrays as shape and bytes: each numpy pickles them in its own way."""
    return {name: (x.shape, x.tobytes()) for name, x in arrays.items()}


def unpack(packed):
    """The arrays."""
    return {name: np.frombuffer(x, np.float32).reshape(shape) for name, (shape, x) in packed.items()}


def unpickled(file):
    """All objects of a file."""
    while True:
        try:
            yield pickle.load(file)
        except EOFError:
            return


def reason(log):
    """The line that says why Caffe gave up."""
    lines = re.findall(r"^(?:F\d+ .*?\]|\[libprotobuf ERROR .*?\]) (.*)$", log, re.MULTILINE)
    return "; ".join(lines) or log.strip()


def serve():
    """Answer each case on stdin."""
    answers = os.fdopen(os.dup(1), "wb")
    for facts in unpickled(sys.stdin.buffer):
        for name in ("bottoms", "before"):
            facts[name] = [np.frombuffer(x, np.float32).reshape(shape) for shape, x in facts[name]]
        made = record([Case(**facts)])[0]
        pickle.dump((pack(made.arrays), made.refused), answers)
        answers.flush()


def main(paths, folder):
    """Record families; the cases that Caffe refused are named on stderr."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in map(Path, paths):
        cases = importlib.import_module(f"tests.parity.cases.{path.stem}").CASES
        recordings = record(cases)
        save(Path(folder) / f"{path.stem}.npz", recordings)
        for index, (case, made) in enumerate(zip(cases, recordings)):
            if made.refused:
                sys.stderr.write(f"{path.stem}[{index}] {case.type} {case.param!r}: Caffe refused: {made.refused}\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        main(sys.argv[1:-1], sys.argv[-1])

"""Layers and nets of Caffe's forks on the runtime, beside OpenCV's dnn module and PyTorch, side by side in one run.

    python benchmarks/forks.py             # all
    python benchmarks/forks.py ssd300      # rows whose name has the word
    FACE_SSD=DIR python benchmarks/forks.py face    # the face detector, whose files are in DIR

A net, of one layer or whole, is read by the runtime and by OpenCV (4.x) from the same prototxt and caffemodel;
PyTorch's column is eager functions of the same mathematics. forward: in the TEST phase, or in TRAIN where there is a
gradient. both: forward and backward, PyTorch's by autograd. The columns take turns, round after round; a factor says
how many times faster the runtime is, the median of the rounds'.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import cv2
import numpy as np
import torch
from fork_rows import FACE_FILES, FACES, ROWS, face_detector

from caffe_pylayers import _engine, pycaffe

ROUNDS = 7
SECONDS = 0.1  # of one column in one round, one call at least


def caffemodel(net, rng):
    """Return weights for a net as a file's bytes: normal, by the fan-in; scales stay as they are filled."""
    model = _engine.messages().NetParameter(name="net")
    for name, blobs in net.params.items():
        layer = model.layer.add(name=name)
        for blob in blobs:
            values = blob.data.copy()
            if values.ndim == 4:
                values = rng.standard_normal(values.shape) * np.sqrt(2 / values[0].size)
            layer.blobs.add(data=values.ravel()).shape.dim.extend(values.shape)
    return model.SerializeToString()


def seconds(call):
    """Return the time of a call."""
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        call()
        calls += 1
    return (time.perf_counter() - start) / calls


def columns(row, folder):
    """Return the functions of each column, by (column, what)."""
    rng = np.random.RandomState(0)
    path, weights = Path(folder, "net.prototxt"), Path(folder, "net.caffemodel")
    path.write_text(row.text)
    phase = pycaffe.TEST if row.wrt is None else pycaffe.TRAIN
    model = row.weights or caffemodel(pycaffe.Net(str(path), phase), rng)
    weights.write_bytes(model)
    net = pycaffe.Net(str(path), phase, weights=str(weights))
    for name, array in row.inputs.items():
        net.blobs[name].data[...] = array
    first, values = next(iter(row.inputs.items()))

    def ours():
        if row.opencv:
            net.blobs[first].data[...] = values  # as OpenCV, which else has nothing new to compute
        net.forward_loss()

    calls = {("ours", "forward"): ours}
    if row.wrt is not None:

        def both():
            net.forward_loss()
            net.backward_all()

        calls["ours", "both"] = both
    if row.opencv:
        other = cv2.dnn.readNetFromCaffe(np.frombuffer(row.text.encode(), np.uint8), np.frombuffer(model, np.uint8))
        for name, array in row.inputs.items():
            other.setInput(array, name)

        def forward():
            other.setInput(values, first)
            return other.forward()

        calls["OpenCV", "forward"] = forward
    if row.torch is not None:
        tensors = [torch.from_numpy(values) for values in row.inputs.values()]
        learning = [x.clone().requires_grad_() if i in (row.wrt or ()) else x for i, x in enumerate(tensors)]

        def eager():
            with torch.no_grad():
                row.torch(*tensors)

        def autograd():
            row.torch(*learning).sum().backward()
            for tensor in learning:
                tensor.grad = None

        calls["torch", "forward"] = eager
        if row.wrt is not None:
            calls["torch", "both"] = autograd
    return calls


def main():
    words = sys.argv[1:]
    print(f"PyTorch {torch.__version__}, OpenCV {cv2.__version__}, {os.cpu_count()} cores\n")
    print(f"  {'':46}{'forward ms':>11}{'OpenCV':>9}{'torch':>9}{'both ms':>10}{'torch':>9}")
    faces = face_detector(os.environ.get("FACE_SSD", "data/face_ssd"))
    for row in [*ROWS, faces] if faces else ROWS:
        if not all(word in row.name.lower() for word in words):
            continue
        with tempfile.TemporaryDirectory() as folder:
            calls = columns(row, folder)
            for call in calls.values():
                call()
            seen = {key: [] for key in calls}
            for _ in range(ROUNDS):
                for key, call in calls.items():
                    seen[key].append(seconds(call))
        figures = []
        for what, others in (("forward", ("OpenCV", "torch")), ("both", ("torch",))):
            ours = seen.get(("ours", what))
            figures.append(f"{statistics.median(ours) * 1e3:{11 if what == 'forward' else 10}.2f}" if ours else "")
            for other in others:
                theirs = seen.get((other, what))
                ratio = theirs and statistics.median(b / a for a, b in zip(ours, theirs))
                figures.append(f"{f'{ratio:.2f}x' if ratio else '':>9}")
        print(f"  {row.name:46}" + "".join(figures), flush=True)
    if not faces:
        print(f"\n  {FACES}: not measured, as FACE_SSD names no folder with {', '.join(FACE_FILES)}")


if __name__ == "__main__":
    main()

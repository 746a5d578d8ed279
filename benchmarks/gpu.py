"""Nets on a GPU beside PyTorch, eager and as a CUDA graph: rows of a Markdown table, as ratios of one run.

    python benchmarks/gpu.py [NET ...] [--device cuda] [--batch N] [--rounds N] [--seconds S]

float32 without TF32, PyTorch's defaults otherwise. eager: the module of eager.py in the layout, NCHW or channels-last,
that is faster here, fused SGD; graph: the same, captured. All take turns in one process; a figure is the median of the
rounds, a ratio the other's time over the runtime's: how many times faster the runtime is. forward: the net to use, its
outputs read on the host; train: forward, backward and update, nothing read; the runtime reuses memory, as
``caffe-pylayers train`` does. Memory: the most that tensors have at a time beyond what there was. On the CPU, where
there are no graphs and memory is not counted, it shows that all runs.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import eager
import nets
import torch

from caffe_pylayers import pycaffe as caffe
from caffe_pylayers.runtime.memory import device

BATCHES = {"lenet_python": 64, "caffenet": 256, "googlenet": 128, "resnet50": 64, "vgg16": 64}
LAYOUTS = {"NCHW": False, "channels-last": True}
HEADS = (
    *("net, batch", "", "runtime, ms", "eager, ms", "its layout", "graph, ms", "to eager", "to the graph"),
    *("runtime, MB", "eager, MB", "graph, MB"),
)


def row(cells):
    return f"| {' | '.join(map(str, cells))} |"


def on_gpu():
    return device.current().type == "cuda"


# --- what is timed --------------------------------------------------------------------------------


def runtimes(name, batch, what):
    """The call of the runtime; forward's gives arrays."""
    net, solver = net_of(name, batch, what)
    if what == "forward":
        return net.forward
    solver.reuse_memory()
    return lambda: solver.step(1)


def net_of(name, batch, what):
    """The runtime's net with random images and labels, and its solver."""
    with tempfile.TemporaryDirectory() as folder:
        nets.write(folder, name, batch)
        solver = caffe.get_solver(f"{folder}/{name}.solver") if what == "train" else None
        net = solver.net if solver else caffe.Net(f"{folder}/{name}.forward", caffe.TEST)
    for blob, values in zip(("data", "label"), eager.batch(name, batch)):
        if blob in net.inputs:
            net.blobs[blob].data[...] = values.numpy()
    return net, solver


def eagers(name, batch, what, channels_last):
    """The call of PyTorch; its tensors stay where they are."""
    net = eager.build(name, channels_last).to(device.current())
    examples = [tensor.to(device.current()) for tensor in eager.batch(name, batch, channels_last)]
    return (eager.training if what == "train" else eager.using)(net, *examples)


def reading(what, call):
    """The call with forward's results on the host, as the runtime gives them."""
    if what == "train":
        return call

    def read():
        found = call()
        return [tensor.cpu() for tensor in (found if isinstance(found, tuple) else (found,))]

    return read


def graphed(call):
    """The call's kernels as a CUDA graph, to be launched at once."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = call()

    def replay():
        graph.replay()
        return found

    return replay


def ready(make):
    """A call that has been made and called, and the megabytes that this took at most."""
    gc.collect()
    if on_gpu():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    call = make()
    call()
    if not on_gpu():
        return call, "-"
    for _ in range(2):
        call()
    torch.cuda.synchronize()
    return call, f"{(torch.cuda.max_memory_allocated() - before) / 2**20:.0f}"


def lasts(call, seconds):
    """Seconds of a call, the mean of as many as fill these."""

    def some(number):
        start = time.perf_counter()
        for _ in range(number):
            call()
        if on_gpu():
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / number

    one = some(1)
    return one if one >= seconds else some(round(seconds / one))


def faster_eager(name, batch, what, seconds):
    """PyTorch's layout that is faster here, and what ``ready`` gives for it."""
    found = {}
    for layout, channels_last in LAYOUTS.items():
        found[layout] = ready(lambda last=channels_last: reading(what, eagers(name, batch, what, last)))
    layout = min(found, key=lambda layout: lasts(found[layout][0], seconds))
    return layout, found[layout]


def compare(name, batch, what, rounds, seconds):
    """The cells of a net's row, and why PyTorch's module cannot be a CUDA graph: nothing where it can."""
    forms = {"runtime": ready(lambda: runtimes(name, batch, what))}
    layout, forms["eager"] = faster_eager(name, batch, what, seconds)
    uncaptured = ""
    if on_gpu():
        try:
            forms["graph"] = ready(lambda: reading(what, graphed(eagers(name, batch, what, LAYOUTS[layout]))))
        except RuntimeError as error:  # the other figures are worth having
            uncaptured = f"The graph of {name}, {what}: {str(error).splitlines()[0]}"
    found = [{form: lasts(call, seconds) for form, (call, _) in forms.items()} for _ in range(rounds)]
    ms, ratios, megabytes = {}, {}, {}
    for form in forms:
        ms[form] = f"{1e3 * statistics.median(times[form] for times in found):.3g}"
        ratios[form] = f"{statistics.median(times[form] / times['runtime'] for times in found):.2f}"
        megabytes[form] = forms[form][1]
    cells = [ms["runtime"], ms["eager"], layout, ms.get("graph", "-"), ratios["eager"], ratios.get("graph", "-")]
    return [*cells, *(megabytes.get(form, "-") for form in ("runtime", "eager", "graph"))], uncaptured


# --- the share of the Python layers ---------------------------------------------------------------


def clock():
    """A moment of the GPU, after what it was given before; on the CPU of the host."""
    if not on_gpu():
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def between(start, end):
    """Seconds from a moment to another."""
    return start.elapsed_time(end) / 1e3 if on_gpu() else end - start


def layers_share(batch, seconds):
    """In words: the share of the two Python layers in LeNet's iteration, forward and backward."""
    net, solver = net_of("lenet_python", batch, "train")
    moments, python = [], [i for i, layer in enumerate(net.layers) if layer.type == "Python"]

    def mark(layer):
        if layer in python:
            moments.append(clock())

    solver.step(3)
    iterations = max(3, round(5 * seconds / lasts(lambda: solver.step(1), seconds)))
    for callbacks in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(net, callbacks)(mark)
    start = clock()
    solver.step(iterations)
    end = clock()
    if on_gpu():
        torch.cuda.synchronize()
    share = sum(between(*pair) for pair in zip(moments[::2], moments[1::2])) / between(start, end)
    return f"The two Python layers take {100 * share:.1f} % of LeNet's iteration."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(BATCHES)}; all by default")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--batch", type=int, help="of every net, instead of its own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one column in one round")
    args = parser.parse_args()
    unknown = set(args.nets) - set(BATCHES)
    if unknown:
        parser.error(f"no net {', '.join(sorted(unknown))}; there are {', '.join(BATCHES)}")
    if args.device == "cuda":
        if not torch.cuda.is_available():
            sys.exit(f"this PyTorch ({torch.__version__}) sees no GPU; --device cpu shows that all of it runs")
        caffe.set_mode_gpu()
    print(f"{row(HEADS)}\n{row(['---'] * len(HEADS))}", flush=True)
    names, problems = args.nets or list(BATCHES), []
    for name in names:
        batch = args.batch or BATCHES[name]
        for what in ("forward", "train"):
            cells, uncaptured = compare(name, batch, what, args.rounds, args.seconds)
            print(row([f"{name}, {batch}", what, *cells]), flush=True)
            problems += [uncaptured] if uncaptured else []
    if "lenet_python" in names:
        print(f"\n{layers_share(args.batch or 64, args.seconds)}", flush=True)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()

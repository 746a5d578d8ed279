"""How long an iteration over N processes lasts: the model of docs/scaling.md, checked here, and what it predicts.

    python benchmarks/scaling.py [--tflops T] [--layer-us T] [--images-per-second N]

The check: 2 and 4 processes whose layers sleep instead of computing, so that cores are no limit, and whose gradients
are summed by gloo as the runtime sums them. The model gets the latency and the bandwidth of two processes.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import NormalDist

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from processes import table

NETS = {"lenet_python": "LeNet", "caffenet": "CaffeNet", "resnet50": "ResNet-50"}
CHECKED = {"lenet_python": (0.014, 0.05), "caffenet": (0.3, 1.0), "resnet50": (0.3, 1.0)}  # seconds that layers sleep
TIMES = 5  # iterations of each, in the check
SMALL, LARGE = 4096, 100 << 20  # bytes of sums, whose times tell the latency and the bandwidth
BATCHES = {"lenet_python": 64, "caffenet": 256, "resnet50": 32}  # of a GPU
COUNTS = (8, 64, 1024)
READS = {"lenet_python": 64000}  # images a second, of docs/performance.md; the others' are JPEG
SPREAD = 0.02  # of an iteration: its standard deviation over its mean


# --- the model ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """Latency in seconds, bandwidth in bytes a second, of each machine; and of the GPUs inside a machine."""

    name: str
    latency: float
    bandwidth: float
    inside: int = 1  # GPUs of a machine
    inside_latency: float = 0.0
    inside_bandwidth: float = math.inf


NETWORKS = (
    Network("10 Gbit/s, a GPU a machine", 30e-6, 1.25e9),
    Network("100 Gbit/s, a GPU a machine", 5e-6, 12.5e9),
    Network("100 Gbit/s, 8 GPUs with NVLink a machine", 5e-6, 12.5e9, 8, 5e-6, 230e9),
)


def ring(size, count, latency, bandwidth):
    """The seconds of a sum of so many bytes: N - 1 steps to add, N - 1 to tell, a part of 1/N in each."""
    return 2 * (count - 1) * (latency + size / count / bandwidth)


def tree(size, count, latency, bandwidth):
    """The same, up and down a tree whose edges are full all the time."""
    return 2 * (math.ceil(math.log2(count)) * latency + (size / bandwidth if count > 1 else 0))


def reduction(size, count, network):
    """The seconds of a sum over all: inside each machine, then between machines, by the faster way."""
    inside = min(count, network.inside)
    machines = math.ceil(count / inside)
    return ring(size, inside, network.inside_latency, network.inside_bandwidth) + min(
        way(size, machines, network.latency, network.bandwidth) for way in (ring, tree)
    )


def exposed(buckets, backward, reduce):
    """The seconds that sums last beyond the backward pass: one after the other, each when its bucket is complete.

    buckets: bytes, and the seconds of the backward pass after which they are complete, in this order.
    """
    end = 0.0
    for size, complete in buckets:
        end = max(end, complete) + reduce(size)
    return max(0.0, end - backward)


def straggler(count, deviation):
    """How far the slowest of so many normal draws is expected above their mean (Blom 1958)."""
    return deviation * NormalDist().inv_cdf((count - 0.375) / (count + 0.25)) if count > 1 else 0.0


def iteration(compute, data, late, wait):
    """The seconds of an iteration, whose input is read meanwhile."""
    return max(compute + wait + late, data)


# --- a net ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """What a net asks for: ``flops`` of an image's forward pass; ``layers``; ``buckets`` of gradients.

    buckets: the bytes of each, and the parts of all flops and of all layers that a backward pass has behind it when
    they are complete, in this order.
    """

    flops: int
    layers: int
    buckets: tuple

    def compute(self, batch, tflops, per_layer):
        """The seconds of an iteration alone. A backward pass takes twice as long as a forward pass."""
        return 3 * batch * self.flops / (tflops * 1e12) + self.layers * per_layer

    def exposed(self, batch, tflops, per_layer, reduce):
        """The seconds that the sums of the gradients last beyond the backward pass."""
        busy, called = 2 * batch * self.flops / (tflops * 1e12), 2 / 3 * self.layers * per_layer
        buckets = [(size, busy * flops + called * layers) for size, flops, layers in self.buckets]
        return exposed(buckets, busy + called, reduce)


def costs(name):
    """The Costs of a net, by its prototxt."""
    import nets

    from caffe_pylayers import pycaffe
    from caffe_pylayers.runtime.parallel.gradients import split

    with tempfile.TemporaryDirectory() as folder:
        nets.write(folder, name)
        net = pycaffe.Net(str(Path(folder, f"{name}.train")), pycaffe.TRAIN)
    flops = [0] * len(net.layers)
    for i, (layer, tops) in enumerate(zip(net.layers, net.top_names.values())):
        if layer.type in ("Convolution", "InnerProduct"):
            flops[i] = 2 * layer.blobs[0].count * math.prod(net.blobs[tops[0]].shape[2:])
    learned = set(map(id, net.learnable))
    layers = [[blob for blob in step.layer.blobs if id(blob) in learned] for step in net.steps]
    buckets = [
        (4 * sum(blob.count for blob in blobs), sum(flops[first:]) / sum(flops), 1 - first / len(flops))
        for first, blobs in split(layers)
    ]
    return Costs(sum(flops), len(flops), tuple(buckets))


# --- the check ------------------------------------------------------------------------------------


def sleeper(rank, count, port, questions, path):
    """In a process of the check: write the median seconds of each iteration of (forward, backward, buckets)."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    store = dist.TCPStore("localhost", port)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=count)
    medians = []
    for forward, backward, buckets in questions:
        tensors = [torch.zeros(size // 4) for size, _ in buckets]
        seconds = []
        for _ in range(TIMES):
            dist.barrier()
            start = time.perf_counter()
            time.sleep(forward)
            works = []
            for tensor, (_, complete) in zip(tensors, buckets):
                time.sleep(max(0.0, start + forward + complete - time.perf_counter()))
                works.append(dist.all_reduce(tensor, async_op=True))
            time.sleep(max(0.0, start + forward + backward - time.perf_counter()))
            for work in works:
                work.wait()
            seconds.append(time.perf_counter() - start)
        medians.append(statistics.median(seconds))
    if rank == 0:
        Path(path).write_text(" ".join(map(str, medians)))
    dist.barrier()
    dist.destroy_process_group()


def measured(count, questions):
    """The seconds of iterations of so many processes."""
    from torch.distributed import TCPStore
    from torch.multiprocessing import spawn

    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    with tempfile.NamedTemporaryFile() as file:
        spawn(sleeper, (count, store.port, questions, file.name), count)
        return [float(word) for word in Path(file.name).read_text().split()]


def check():
    """Print measured iterations beside the model's."""
    cases = []
    for name, computes in CHECKED.items():
        net = costs(name)
        for compute in computes:
            backward = 2 / 3 * compute
            cases.append((name, compute, backward, [(size, backward * flops) for size, flops, _ in net.buckets]))
    questions = [(compute - backward, backward, buckets) for _, compute, backward, buckets in cases]
    pings = [(0.0, 0.0, [(size, 0.0)]) for size in (SMALL, LARGE)] * TIMES
    found = {2: measured(2, questions + pings), 4: measured(4, questions)}
    small, large = (statistics.median(found[2][len(cases) + i :: 2]) for i in (0, 1))
    latency, bandwidth = small / 2, LARGE / (large - small)
    print(f"Two processes: a step takes {latency * 1e3:.2f} ms, {bandwidth / 1e9:.2f} GB/s each")
    rows = []
    for count, times in found.items():
        # The memory of one machine is what all have together: N processes move N/2 times as many bytes as two.
        reduce = partial(ring, count=count, latency=latency, bandwidth=bandwidth * 2 / count)
        for (name, compute, backward, buckets), seconds in zip(cases, times):
            model = compute + exposed(buckets, backward, reduce)
            cells = (f"{value * 1e3:.0f}" for value in (compute, seconds, model))
            rows.append([NETS[name], count, *cells, f"{model / seconds - 1:+.0%}"])
    table("Check", ("net", "processes", "sleeps, ms", "iteration, ms", "model, ms", "model's error"), rows)


# --- the predictions ------------------------------------------------------------------------------


def predict(tflops, per_layer, speed):
    """Print what the model says of GPUs."""
    rows = []
    for name, batch in BATCHES.items():
        net, data = costs(name), batch / READS.get(name, speed)
        alone = net.compute(batch, tflops, per_layer)
        one = iteration(alone, data, late=0, wait=0)
        for network in NETWORKS:
            cells = []
            for count in COUNTS:
                late = net.exposed(batch, tflops, per_layer, partial(reduction, count=count, network=network))
                whole = iteration(alone, data, late, straggler(count, SPREAD * alone))
                cells.append(f"{whole * 1e3:.1f} ({late * 1e3:.1f}), {one / whole:.2f}")
            rows.append([f"{NETS[name]}, {batch}", f"{one * 1e3:.1f}", network.name, *cells])
    heads = ("net, batch of a GPU", "one GPU, ms", "network", *(f"{count:,} GPUs" for count in COUNTS))
    table("Prediction: ms of an iteration (of it waiting for sums), efficiency", heads, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tflops", type=float, default=10, help="what a GPU does in these nets' convolutions")
    parser.add_argument("--layer-us", type=float, default=50, help="of a layer's calls, forward and backward")
    parser.add_argument("--images-per-second", type=float, default=4100, help="read and decoded for each GPU")
    args = parser.parse_args()
    check()
    predict(args.tflops, args.layer_us / 1e6, args.images_per_second)


if __name__ == "__main__":
    main()

"""Nets trained by several processes, beside one process and PyTorch's DistributedDataParallel: Markdown tables.

    python benchmarks/processes.py [NET ...] [--rounds N]

Processes that compute with one thread each, on the cores that the system gives them, train as scripts do:
``solver.step`` with caffe.NCCL. A net's columns take turns in the same processes; a figure is the median of the rounds,
a ratio that of medians. Input blobs stand for the data, a batch for each process. Two cores should be idle; it takes
less than four minutes.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import nets
from engines import Engine, answer

from caffe_pylayers import _engine

NETS = {"lenet_python": "LeNet with the two Python layers", "caffenet": "CaffeNet"}
nets.BATCHES.update(caffenet=16)  # of each process: an iteration lasts about two seconds
SECONDS = 0.7  # of one column in one round, one iteration at least
BUCKETS = (1, 5, 25, 100)  # MB
DEFAULT = 25  # of them the runtime's
SIZES = (24, 100_000, 1_000_000, 10_000_000, 100_000_000)  # bytes

# What is asked, of how many processes.
TRAINED = {"one": ("train", 1), "apart": ("train", 2), "at the end": ("end", 2), "early": ("early", 2)}
PYTORCH = {"torch": ("torch", 1), "DDP": ("ddp", 2)}
REDUCED = {"sum": "sum", **{f"{size} MB": f"reduce {size}" for size in BUCKETS}}
SUMMED = {f"{size:,} B": f"sum {size}" for size in SIZES}

TABLES = {
    "Efficiency": (
        "net, batch of each",
        *("one process, ms", "two apart", "two, reduced at the end", "two, layer-wise"),
        *("efficiency", "the machine's", "the exchange's", "spread of two apart, %"),
    ),
    "PyTorch": ("net, batch of each", "PyTorch, ms", "DDP of two", "its efficiency", "ours/theirs, one", "of two"),
    "Buckets": ("net, processes", "one all_reduce", *(f"buckets of {size} MB" for size in BUCKETS)),
    "Sums": ("processes, ms of an all_reduce", *SUMMED),
}


# --- in a process that trains ---------------------------------------------------------------------


def serve(name, uid, rank, count):
    """Answer "TIMES WHAT" by the mean of the seconds that it takes, and their standard deviation."""
    import torch

    torch.set_num_threads(1)
    calls = ours(name, uid, rank, count) | pytorchs(name)
    for question in sys.stdin:
        times, what = question.strip().split(" ", 1)
        seconds = []
        for _ in range(int(times)):
            start = time.perf_counter()
            calls[what]()
            seconds.append(time.perf_counter() - start)
        answer(statistics.mean(seconds), statistics.pstdev(seconds))


def ours(name, uid, rank, count):
    """What can be asked of the runtime, and of torch.distributed alone."""
    import torch
    import torch.distributed as dist

    from caffe_pylayers.runtime.parallel import group

    caffe = _engine.caffe()
    caffe.set_solver_count(count)
    caffe.set_solver_rank(rank)
    solver = caffe.get_solver(f"{name}.solver")
    data = solver.net.blobs["data"].data
    data[...] = torch.randn(data.shape).numpy()
    solver.step(1)

    meeting = group.Group(uid, rank, count)
    exchanges = {}
    for size in BUCKETS:
        exchanges[size] = caffe.NCCL(solver, meeting, bucket=size << 20)
        exchanges[size].on_start()  # while all are at one iteration
    exchanges[DEFAULT].bcast()

    def train(exchange=None, early=True):
        solver._hooks.on_start[:] = [exchange.on_start] if exchange else []
        solver._hooks.on_gradients[:] = [exchange.on_gradients] if exchange else []
        solver.net._run.after_backward[:] = [exchange] if exchange and early else []
        solver.step(1)

    def reduce(exchange):
        exchange.on_start()
        exchange.on_gradients()

    default = exchanges[DEFAULT]
    calls = {"train": train, "end": lambda: train(default, early=False), "early": lambda: train(default)}
    for size, exchange in exchanges.items():
        calls[f"reduce {size}"] = lambda exchange=exchange: reduce(exchange)
    sums = {f"sum {size}": size for size in SIZES} | {"sum": learned_bytes(solver.net)}
    for what, size in sums.items():
        tensor = torch.zeros(size // 4)
        calls[what] = lambda tensor=tensor: dist.all_reduce(tensor)
    return calls


def learned_bytes(net):
    return 4 * sum(blob.count for blobs in net.params.values() for blob in blobs)


def pytorchs(name):
    """What can be asked of PyTorch, of a plain module of the same mathematics."""
    import eager
    from torch.nn.parallel import DistributedDataParallel

    net = eager.build(name)
    examples = eager.batch(name, nets.BATCHES.get(name, 64))
    shared = DistributedDataParallel(net, gradient_as_bucket_view=True)
    return {"torch": eager.training(net, *examples), "ddp": eager.training(shared, *examples)}


# --- in the process that asks ---------------------------------------------------------------------


@contextmanager
def processes(name, count):
    """The function that asks so many processes of a net, or the first few, at once: the means of their answers."""
    uid = _engine.caffe().NCCL.new_uid()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(count) as pool:
        nets.write(folder, name)
        engines = [
            Engine("runtime", __file__, name, "--serve", uid, "--count", count, "--rank", rank, cwd=folder)
            for rank in range(count)
        ]

        def ask(what, of=count, times=1):
            answers = list(pool.map(lambda engine: engine.ask(f"{times} {what}"), engines[:of]))
            return [statistics.mean(numbers) for numbers in zip(*answers)]

        yield ask
        for engine in engines:
            engine.close()


class Figures:
    """Milliseconds of columns that take turns, round after round; ``columns``: what is asked, of how many, by name."""

    def __init__(self, ask, columns, rounds, seconds):
        times = {}
        for column, asked in columns.items():
            lasts = ask(*asked)[0]  # the first may last longer
            times[column] = max(1, round(seconds / ask(*asked)[0])) if lasts < seconds else 1
        self._found = {column: [] for column in columns}
        for _ in range(rounds):
            for column, asked in columns.items():
                self._found[column].append(ask(*asked, times[column]))

    def median(self, column):
        """Milliseconds of a column."""
        return 1e3 * statistics.median(mean for mean, _ in self._found[column])

    def ms(self, column):
        """The same as text."""
        value = self.median(column)
        return f"{value:.{0 if value > 100 else 1}f}"

    def spread(self, column):
        """The standard deviation of a column, within the rounds and between them, in percent of the mean."""
        means, within = zip(*self._found[column])
        variance = statistics.pvariance(means) + statistics.mean(deviation**2 for deviation in within)
        return f"{100 * variance**0.5 / statistics.mean(means):.1f}"

    def ratio(self, column, other):
        """How many times as long as the other a column takes."""
        return f"{self.median(column) / self.median(other):.2f}"


def rows(name, rounds):
    """A net's rows, each with the title of its table."""
    net = f"{NETS[name]}, {nets.BATCHES.get(name, 64)}"
    with processes(name, 2) as ask:
        found = Figures(ask, TRAINED | PYTORCH, rounds, SECONDS)
        ratios = (found.ratio(*pair) for pair in (("one", "early"), ("one", "apart"), ("apart", "early")))
        yield "Efficiency", [net, *map(found.ms, TRAINED), *ratios, found.spread("apart")]
        ratios = (found.ratio(*pair) for pair in (("torch", "DDP"), ("torch", "one"), ("DDP", "early")))
        yield "PyTorch", [net, *map(found.ms, PYTORCH), *ratios]
        yield from reductions(name, ask, 2, rounds)
    with processes(name, 4) as ask:
        yield from reductions(name, ask, 4, rounds)


def reductions(name, ask, count, rounds):
    """The rows of what so many processes sum without training."""
    found = Figures(ask, {column: (what, count) for column, what in REDUCED.items()}, rounds, SECONDS / 4)
    yield "Buckets", [f"{NETS[name]}, {count}", *map(found.ms, REDUCED)]
    if name == "lenet_python":
        found = Figures(ask, {column: (what, count) for column, what in SUMMED.items()}, rounds, SECONDS / 4)
        yield "Sums", [str(count), *map(found.ms, SUMMED)]


def table(title, heads, found):
    """Print a table in Markdown."""
    print(f"\n{title}\n")
    for cells in (heads, ["---"] * len(heads), *found):
        print(f"| {' | '.join(map(str, cells))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", metavar="UID", help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.nets) - set(NETS)
    if unknown:
        parser.error(f"no net {', '.join(sorted(unknown))}; there are {', '.join(NETS)}")
    if args.serve:
        serve(args.nets[0], args.serve, args.rank, args.count)
        return

    print(f"{os.cpu_count()} cores, PyTorch {version('torch')}")
    tables = {title: [] for title in TABLES}
    for name in args.nets or NETS:
        for title, row in rows(name, args.rounds):
            tables[title].append(row)
    for title, found in tables.items():
        table(title, TABLES[title], found)


if __name__ == "__main__":
    main()

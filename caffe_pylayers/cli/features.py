"""Run a net on its own data and keep what some of its blobs hold: as Caffe's extract_features.

    caffe-pylayers features --model train_test.prototxt --weights net.caffemodel --blobs ip1,prob out.h5

An .h5 or .npz file gets an array for each blob, the batches one after the other. Any other name is a folder that
gets an LMDB for each blob, with a Datum of floats for each item, for a Data layer to read.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any, Callable, Iterator

from caffe_pylayers import _files
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._net_options import add_net_arguments, make_net

Write = Callable[[str, Any], None]  # a blob's name, its values (items, ...) of one batch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``features``."""
    add_net_arguments(parser, phase="TEST", weights=True, iterations=1)
    parser.add_argument("--blobs", required=True, metavar="NAME[,NAME...]", help="the blobs to keep")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="FILE.h5, FILE.npz, or a folder for LMDBs")


def run(args: argparse.Namespace) -> int:
    """Extract; the exit code."""
    import numpy as np

    names = args.blobs.split(",")
    writer = {".h5": _hdf5, ".npz": _npz}.get(args.output.suffix, _lmdbs)
    net = make_net(args)
    missing = [name for name in names if name not in net.blobs]
    if missing:
        raise UserError(f"{args.model}: no blob {', '.join(missing)}; the net has {', '.join(net.blobs)}")
    if not args.output.absolute().parent.is_dir():
        raise UserError(f"{args.output}: there is no folder {args.output.absolute().parent}")
    with writer(args.output, names) as write:
        for _ in range(args.iterations):
            try:
                net.forward()
            except (OSError, RuntimeError, ValueError) as error:
                raise UserError(str(error)) from error
            for name in names:
                write(name, np.atleast_1d(net.blobs[name].data))
    print(f"{args.output}: {', '.join(names)} of {args.iterations} batches")
    return 0


@contextlib.contextmanager
def _npz(path: Path, names: list[str]) -> Iterator[Write]:
    import numpy as np

    kept: dict[str, list[Any]] = {name: [] for name in names}
    yield lambda name, values: kept[name].append(values.copy())
    with _files.whole(path) as temporary, open(temporary, "wb") as file:
        arrays: Any = {name: np.concatenate(parts) for name, parts in kept.items()}
        np.savez(file, **arrays)


@contextlib.contextmanager
def _hdf5(path: Path, names: list[str]) -> Iterator[Write]:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise UserError("HDF5 files need h5py: pip install h5py") from error
    with _files.whole(path) as temporary, h5py.File(str(temporary), "w") as file:

        def write(name: str, values: Any) -> None:
            if name not in file:
                file.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]))
                return
            dataset = file[name]
            dataset.resize(len(dataset) + len(values), axis=0)
            dataset[-len(values) :] = values

        yield write


@contextlib.contextmanager
def _lmdbs(path: Path, names: list[str]) -> Iterator[Write]:
    from caffe_pylayers import _engine
    from caffe_pylayers.cli._lmdb import new_lmdb

    datum = _engine.messages().Datum
    path.mkdir(exist_ok=True)
    counts = dict.fromkeys(names, 0)
    with contextlib.ExitStack() as stack:
        puts = {name: stack.enter_context(new_lmdb(path / name.replace("/", "_"))) for name in names}

        def write(name: str, values: Any) -> None:
            if values.ndim > 4:
                raise UserError(f"blob {name} has shape {values.shape}; a Datum has 3 axes, keep it in an .h5 file")
            for item in values:
                channels, height, width = [*item.shape, 1, 1, 1][:3]
                record = datum(channels=channels, height=height, width=width, float_data=item.ravel())
                puts[name](b"%010d" % counts[name], record)
                counts[name] += 1

        yield write

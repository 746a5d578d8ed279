"""Run a net on its own data and keep what some of its blobs hold: as Caffe's extract_features.

    caffe-pylayers features --model train_test.prototxt --weights net.caffemodel --blobs ip1,prob out.h5

An .h5, .hdf5 or .npz file gets an array for each blob, the batches one after the other; it is made in memory. Any other
name is a folder that gets an LMDB for each blob, or with --format leveldb a LevelDB, with a Datum of floats for each
item, for a Data layer to read.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import io
from pathlib import Path
from typing import Any, Callable, Iterator

from caffe_pylayers._disk import files, hdf5
from caffe_pylayers._disk.database import BACKENDS, new_database
from caffe_pylayers._disk.room import check_room
from caffe_pylayers._engine.interrupts import held
from caffe_pylayers.cli import UserError
from caffe_pylayers.cli._errors import one_line
from caffe_pylayers.cli._net_options import add_net_arguments, make_net, need_data
from caffe_pylayers.cli._parser import given_path
from caffe_pylayers.cli._progress import counted

FORMATS = ("hdf5", "npz", *BACKENDS)
FORMAT_OF = {".h5": "hdf5", ".hdf5": "hdf5", ".npz": "npz"}

Write = Callable[[str, Any], None]  # a blob's name, its values (items, ...) of one batch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``features``."""
    add_net_arguments(parser, phase="TEST", weights=True, iterations=1)
    parser.add_argument("--blobs", required=True, metavar="NAME[,NAME...]", help="the blobs to keep")
    parser.add_argument("--format", choices=FORMATS, help="whatever the name of OUTPUT says")
    parser.add_argument(
        "output", type=given_path, metavar="OUTPUT", help="FILE.h5, FILE.npz, or a folder for databases"
    )


def run(args: argparse.Namespace) -> int:
    """Extract; return the exit code."""
    with held():
        import numpy as np

    names = args.blobs.split(",")
    kind = args.format or FORMAT_OF.get(args.output.suffix, "lmdb")
    databases = functools.partial(_databases, kind)
    writer = {"hdf5": _hdf5, "npz": _npz}.get(kind, databases)
    with one_line():
        if kind in BACKENDS:
            _check_folder(args.output)
        else:
            files.check_target(args.output)
        check_room(args.output.absolute().parent, 1)
        net = make_net(args)
        need_data(net, args.model)
        missing = [name for name in names if name not in net.blobs]
        if missing:
            raise UserError(f"{args.model}: no blob {', '.join(missing)}; the net has {', '.join(net.blobs)}")
        with writer(args.output, names) as write:
            for batch in counted(range(args.iterations), "batch", args.iterations):
                net.forward()
                if batch == 0:  # known now, before the work is done
                    values = sum(net.blobs[name].data.size for name in names)
                    check_room(args.output.absolute().parent, 4 * values * args.iterations)
                for name in names:
                    write(name, np.atleast_1d(net.blobs[name].data))
    print(f"{args.output}: {', '.join(names)} of {args.iterations} batches")
    return 0


@contextlib.contextmanager
def _npz(path: Path, names: list[str]) -> Iterator[Write]:
    import numpy as np

    kept: dict[str, list[Any]] = {name: [] for name in names}
    yield lambda name, values: kept[name].append(values.copy())
    arrays: Any = {name: np.concatenate(kept.pop(name)) for name in names}
    content = io.BytesIO()  # a zip file that cannot be ended complains when it is forgotten
    np.savez(content, **arrays)
    with files.whole(path) as temporary:
        temporary.write_bytes(content.getbuffer())


@contextlib.contextmanager
def _hdf5(path: Path, names: list[str]) -> Iterator[Write]:
    with hdf5.writing(path) as file:

        def write(name: str, values: Any) -> None:
            if name not in file:
                file.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]))
                return
            dataset = file[name]
            dataset.resize(len(dataset) + len(values), axis=0)
            dataset[-len(values) :] = values

        yield write


@contextlib.contextmanager
def _databases(backend: str, path: Path, names: list[str]) -> Iterator[Write]:
    from caffe_pylayers import _engine

    datum = _engine.messages().Datum
    counts = dict.fromkeys(names, 0)
    with _folder(path), contextlib.ExitStack() as stack:
        puts = {name: stack.enter_context(new_database(path / name.replace("/", "_"), backend)) for name in names}

        def write(name: str, values: Any) -> None:
            if values.ndim > 4:
                raise UserError(f"blob {name} has shape {values.shape}; a Datum has 3 axes, keep it in an .h5 file")
            for item in values:
                channels, height, width = [*item.shape, 1, 1, 1][:3]
                record = datum(channels=channels, height=height, width=width, float_data=item.ravel())
                puts[name](b"%010d" % counts[name], record)
                counts[name] += 1

        yield write


def _check_folder(path: Path) -> None:
    """OSError where there is no folder of this name and none can be made."""
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is no folder for databases", str(path))
    if not path.exists():
        files.check_target(path)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Make a folder for the length of the block, and remove it again if nothing was put into it."""
    path.mkdir(exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it holds something
            path.rmdir()

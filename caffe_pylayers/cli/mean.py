"""The mean image of a database, for a transform_param's mean_file: as Caffe's compute_image_mean.

    caffe-pylayers mean train_lmdb mean.binaryproto

Also prints the mean of each channel, for mean_value.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from caffe_pylayers._disk import files
from caffe_pylayers._disk.database import BACKENDS
from caffe_pylayers.cli._errors import one_line, optional
from caffe_pylayers.cli._parser import given, given_path
from caffe_pylayers.cli._progress import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``mean``."""
    parser.add_argument("database", type=given, metavar="DATABASE", help="an LMDB, or with --backend leveldb a LevelDB")
    parser.add_argument("output", nargs="?", type=given_path, metavar="MEAN.binaryproto", help="default: print alone")
    parser.add_argument("--backend", "-backend", choices=BACKENDS, default="lmdb", help="default: lmdb")


def run(args: argparse.Namespace) -> int:
    """Compute; return the exit code."""
    with optional("mean", "runtime", "Caffe's compute_image_mean"):
        from caffe_pylayers.runtime.data import datums  # noqa: F401
    with one_line():
        if args.output is not None:
            files.check_target(args.output)
        mean, count = _mean(args.database, args.backend == "leveldb")
        if args.output is not None:
            _write(mean, args.output)
    print(f"{count} images of {' x '.join(map(str, mean.shape))}")
    for channel, value in enumerate(mean.mean(axis=(1, 2))):
        print(f"mean_value channel [{channel}]: {value:g}")
    return 0


def _mean(path: str, leveldb: bool) -> tuple[Any, int]:
    import numpy as np

    from caffe_pylayers.runtime.data import datums
    from caffe_pylayers.runtime.data.database import Records
    from caffe_pylayers.runtime.data.transformer import DataTransformer
    from caffe_pylayers.runtime.proto.caffe_pb2 import TEST, DataParameter, TransformationParameter

    read = DataTransformer(TransformationParameter(), TEST).read
    total: Any = None
    count = 0
    for record in counted(Records(path, DataParameter.LEVELDB if leveldb else DataParameter.LMDB).once(), "image"):
        item = read(datums.read(record, path))
        if total is None:
            total = np.zeros(item.shape)
        if item.shape != total.shape:
            raise ValueError(f"{path}: image {count} has shape {item.shape}, the first has {total.shape}")
        total += item
        count += 1
    if not count:
        raise ValueError(f"{path} has no records")
    return total / count, count


def _write(mean: Any, path: Path) -> None:
    from caffe_pylayers.runtime.proto.caffe_pb2 import BlobProto

    channels, height, width = mean.shape
    blob = BlobProto(num=1, channels=channels, height=height, width=width, data=mean.ravel())
    with files.whole(path) as temporary:
        temporary.write_bytes(blob.SerializeToString())

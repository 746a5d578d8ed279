"""The sources of digits: the sample in this package, a folder, or the mirrors of MNIST."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import NamedTuple

from caffe_pylayers._engine.libraries import optional
from caffe_pylayers.cli._mnist import DataError, idx

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)


class Sha256(NamedTuple):
    """Checksums of an official file: as it is downloaded, gzipped, and of its content."""

    gz: str
    content: str


FILES = {
    "train-images-idx3-ubyte": Sha256(
        gz="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        content="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": Sha256(
        gz="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        content="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": Sha256(
        gz="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        content="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": Sha256(
        gz="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        content="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}


def sample() -> idx.Digits:
    """Return the 5,000 digits of this package, in random order; the last 1,000 hold 100 of each class."""
    folder = Path(__file__).parent
    return idx.digits(folder / "mnist5k-images-idx3-ubyte.gz", folder / "mnist5k-labels-idx1-ubyte.gz")


def official(folder: Path, part: str) -> idx.Digits:
    """Return MNIST's ``part``, train (60,000 digits) or t10k (10,000), from the official files in ``folder``.

    DataError where a file is missing or its content, decompressed, is not the official one.
    """
    images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    return idx.digits(_find(folder, images), _find(folder, labels), (FILES[images].content, FILES[labels].content))


def _find(folder: Path, name: str) -> Path:
    # The last is the name that the official .gz carries inside, which some programs unpack it to.
    names = (f"{name}.gz", name, name.replace("-idx", ".idx"))
    for path in (folder / name for name in names):
        if os.path.isfile(path):
            return path
    raise DataError(f"{folder / names[0]}: no such file, nor {names[1]} beside it")


def download() -> Path:
    """Fetch the official files that pooch's cache lacks; return its folder.

    DataError, with the reasons, where a file comes from none of the mirrors as it should be.
    """
    with optional("the download", "data", "the files that you have, with --source"):
        import pooch
    folder = Path(pooch.os_cache("caffe-pylayers")) / "mnist"
    progress = sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
    for name, sha256 in FILES.items():
        reasons = []
        for mirror in MIRRORS:
            url = f"{mirror}{name}.gz"
            downloader = pooch.HTTPDownloader(progressbar=progress, timeout=30)
            try:
                pooch.retrieve(url, f"sha256:{sha256.gz}", f"{name}.gz", folder, downloader=downloader)
                break
            except (OSError, ValueError) as error:  # requests' errors are OSErrors, a wrong checksum is a ValueError
                reasons.append(f"{url}: {error}")
        else:
            raise DataError("\n  ".join([f"{name}.gz cannot be downloaded; give its folder with --source", *reasons]))
    return folder

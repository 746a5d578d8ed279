"""The pictures that metrics offer of a test, in the output folder."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterable, Tuple

from caffe_pylayers._layer.metrics.pictures import Picture

Pictures = Iterable[Tuple[str, Picture]]


def draw_pictures(folder: Path, pictures: Pictures, iteration: int) -> None:
    """Draw each picture as NAME.png, ``test-confusion.png`` for ``test/confusion``; the next test's replaces it.

    A disk without room for one does not end the training.
    """
    from caffe_pylayers.cli._curves.metric import draw

    for name, picture in pictures:
        path = folder / (re.sub(r"[^\w.+-]", "-", name) + ".png")
        try:
            draw(picture, path, f"{name}, iteration {iteration}")
        except OSError as error:
            print(f"no picture: {path}: {error.strerror}", file=sys.stderr)


def draw_nothing(pictures: Pictures, iteration: int) -> None:
    """Stand for draw_pictures where matplotlib is not installed."""

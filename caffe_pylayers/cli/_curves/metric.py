"""What a metric shows of a test, in a picture. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from caffe_pylayers._layer.metrics.pictures import Lines, Matrix, Picture
from caffe_pylayers.cli._curves.picture import new_figure, plain, save

MOST_NUMBERS = 30  # rows, beyond which the numbers in the squares could not be read
MOST_NAMES = 60


def draw(picture: Picture, path: Path, title: str) -> None:
    """Draw a metric's picture, its own title under this one."""
    figure = _matrix(picture) if isinstance(picture, Matrix) else _lines(picture)
    figure.axes[0].set_title(f"{plain(title)}\n{plain(picture.title)}", loc="left", fontsize=10)
    save(figure, path)


def _matrix(picture: Matrix) -> Any:
    values = np.asarray(picture.values, float)
    count = len(values)
    size = min(max(3.5, 0.45 * count), 14.0) + 1
    figure = new_figure(size, size)
    axes = figure.add_subplot(1, 1, 1)
    # Of each row its shares, so that a rare class is as visible as a frequent one.
    sums = np.nansum(values, 1, keepdims=True)
    shades = np.divide(values, sums, out=np.zeros_like(values), where=sums > 0)
    axes.imshow(np.nan_to_num(shades), cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel(plain(picture.columns))
    axes.set_ylabel(plain(picture.rows))
    places = range(0, count, -(-count // MOST_NAMES) if count else 1)
    names = [plain(str(picture.names[i] if picture.names else i), 20) for i in places]
    axes.set_xticks(list(places))
    axes.set_yticks(list(places))
    axes.set_xticklabels(names, rotation=90 if any(len(name) > 3 for name in names) else 0)
    axes.set_yticklabels(names)
    if count <= MOST_NUMBERS:
        whole = bool((np.nan_to_num(values) == np.rint(np.nan_to_num(values))).all())
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value) and value:
                text = f"{value:.0f}" if whole else f"{value:.2f}"
                color = "white" if shades[row, column] > 0.5 else "black"
                axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    return figure


def _lines(picture: Lines) -> Any:
    figure = new_figure(5, 5)
    axes = figure.add_subplot(1, 1, 1)
    if picture.diagonal:
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle="--")
    for label, x, y in picture.curves:
        axes.plot(x, y, label=plain(label), marker="." if len(x) <= 50 else None)
    axes.legend(frameon=False, fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(plain(picture.x))
    axes.set_ylabel(plain(picture.y))
    axes.grid(color="#dddddd", linewidth=0.6)
    return figure

"""The curves of one training in a picture. Needs matplotlib."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from caffe_pylayers.cli._curves.log import COLUMNS, Row
from caffe_pylayers.cli._curves.picture import new_figure, overlap, plain, save

LOSS_COLOR = "#1f5fa8"
TEST_LOSS_COLORS = ("#0b2a4d", "#4a90c2", "#5a6b7d")
METRIC_COLORS = ("#c8551b", "#2a7f76", "#7b4fa3", "#8a6d1d")
GREY = "#666666"
COLUMNS_OF_LEGEND = 4
LINES = ("-", "--", ":", "-.")  # of curves that share a color


@dataclass(frozen=True)
class Curve:
    """The finite values of one column, rounded to float32 as Caffe's numbers are, and their iterations."""

    name: str
    x: Any
    y: Any

    @property
    def label(self) -> str:
        """Its name in a legend."""
        return plain(self.name.replace("/", " "))

    @property
    def is_metric(self) -> bool:
        """True if it goes on the axis from 0 to 1: no loss, and all of its values are there."""
        return bool(not self.is_loss and self.y.size and (self.y >= 0).all() and (self.y <= 1).all())

    @property
    def is_loss(self) -> bool:
        """True if it goes with the training loss: the last part of its name says so, unlike GoogLeNet's loss3/top-1."""
        return "loss" in self.name.rpartition("/")[2].lower()

    @property
    def marks(self) -> dict[str, Any]:
        """matplotlib's options for its marks: smaller ones where they are many."""
        many = self.y.size > 25
        return {"markersize": 3 if many else 5, "markeredgecolor": "none" if many else "white"}

    def smoothed(self) -> Curve:
        """Return the running mean over a fiftieth of the values."""
        window = max(1, self.y.size // 50)
        sums = np.cumsum(np.concatenate([[0.0], self.y]))
        middle = slice((window - 1) // 2, self.y.size - window // 2)
        return Curve(self.name, self.x[middle], (sums[window:] - sums[:-window]) / window)


def curves_of(columns: list[str], rows: list[Row]) -> list[Curve]:
    """Return the curves of a log: the training loss, then each test output."""
    return [_curve(name, rows) for name in ("loss", *(name for name in columns if name not in COLUMNS))]


def say_what_is_left_out(path: Path, columns: list[str], rows: list[Row]) -> None:
    """Print the test outputs of a log that have values and no axis to be drawn on, on standard error."""
    _, *tests = curves_of(columns, rows)
    names = [curve.name for curve in tests if curve.y.size and not (curve.is_loss or curve.is_metric)]
    if names:
        print(f"{path}: neither a loss nor from 0 to 1, not drawn: {', '.join(names)}", file=sys.stderr)


def plot(columns: list[str], rows: list[Row], path: Path, title: str) -> None:
    """Draw a log's training loss, test losses, and metrics from 0 to 1; empty axes for a log without any."""
    loss, *tests = curves_of(columns, rows)
    figure = new_figure(9, 5)
    axes = figure.add_subplot(1, 1, 1)
    handles = _draw_losses(axes, loss, [curve for curve in tests if curve.is_loss])
    handles += _draw_metrics(axes.twinx(), [curve for curve in tests if curve.is_metric])
    heading = axes.set_title(plain(title), loc="left", fontsize=11)
    axes.set_xlabel("iteration")
    options: dict[str, Any] = {"handles": handles, "ncol": COLUMNS_OF_LEGEND, "frameon": False, "fontsize": 9}
    legend = axes.legend(**options, loc="lower right", bbox_to_anchor=(1, 1))  # beside the title
    if len(handles) > COLUMNS_OF_LEGEND or overlap(legend, heading):
        axes.legend(**options, **below(figure, len(handles)))
    save(figure, path)


def below(figure: Any, entries: int, columns: int = COLUMNS_OF_LEGEND) -> dict[str, Any]:
    """Return matplotlib's options for a legend below the last axes; the figure grows by the legend's height."""
    rows = -(-entries // columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.2 * (rows + 1))
    return {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13)}


def _curve(name: str, rows: list[Row]) -> Curve:
    points = [(int(row["iteration"]), float(row[name])) for row in rows if row[name]]
    x, y = np.array(points, dtype=float).reshape(-1, 2).T
    with np.errstate(over="ignore"):
        y = y.astype(np.float32).astype(float)
    finite = np.isfinite(y)
    return Curve(name, x[finite], y[finite])


def _draw_losses(axes: Any, loss: Curve, tests: list[Curve]) -> list[Any]:
    axes.plot(loss.x, loss.y, color=LOSS_COLOR, alpha=0.3, linewidth=0.7)
    smooth = loss.smoothed()
    handles = axes.plot(smooth.x, smooth.y, color=LOSS_COLOR, linewidth=1.8, label="training loss")
    for i, curve in enumerate(tests):
        style = {"linestyle": LINES[(1 + i // len(TEST_LOSS_COLORS)) % len(LINES)], "linewidth": 1, "marker": "D"}
        color = TEST_LOSS_COLORS[i % len(TEST_LOSS_COLORS)]
        handles += axes.plot(curve.x, curve.y, color=color, label=curve.label, zorder=3, **style, **curve.marks)
    choose_scale(axes, np.concatenate([curve.y for curve in (loss, *tests)]))
    axes.set_ylabel("loss", color=LOSS_COLOR)
    axes.tick_params(axis="y", colors=LOSS_COLOR, which="both")
    axes.grid(color="#dddddd", linewidth=0.6)
    _drop_frame(axes, "top", "right")
    return list(handles)


def choose_scale(axes: Any, values: Any) -> None:
    """Make the scale logarithmic, with plain numbers, for positive values over more than a decade."""
    if not values.size or values.min() <= 0 or values.max() < 10 * values.min():
        return
    ratio = values.max() / values.min()
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 1000 else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_metrics(axes: Any, curves: list[Curve]) -> list[Any]:
    handles = []
    for i, curve in enumerate(curves):
        color = METRIC_COLORS[i % len(METRIC_COLORS)]
        style = {"linestyle": LINES[i // len(METRIC_COLORS) % len(LINES)], "linewidth": 1.4, "marker": "o"}
        # Of several the last values would lie upon each other.
        label = curve.label if len(curves) == 1 else f"{curve.label} {curve.y[-1]:.4f}"
        handles += axes.plot(curve.x, curve.y, color=color, label=label, **style, **curve.marks)
    if len(curves) == 1:
        _write_last(axes, curves[0], METRIC_COLORS[0])
    if not curves:
        axes.set_axis_off()
        return handles
    axes.set_ylim(0, 1.02)
    axes.set_ylabel(metrics_label(curves), color=GREY)
    axes.tick_params(axis="y", colors=GREY)
    _drop_frame(axes, "top", "left")
    return handles


def metrics_label(curves: Sequence[Curve]) -> str:
    """Return what the axis from 0 to 1 is called: accuracy where all of its curves are."""
    return "accuracy" if all("acc" in curve.name.lower() for curve in curves) else "metrics"


def _write_last(axes: Any, curve: Curve, color: str) -> None:
    last = (curve.x[-1], curve.y[-1])
    halo = [withStroke(linewidth=3, foreground="white")]  # it may lie on the curve
    place = {"xytext": (0, -9), "textcoords": "offset points", "ha": "right", "va": "top"}
    axes.annotate(f"{curve.y[-1]:.4f}", last, color=color, fontsize=10, fontweight="bold", path_effects=halo, **place)


def _drop_frame(axes: Any, *sides: str) -> None:
    for side in sides:
        axes.spines[side].set_visible(False)

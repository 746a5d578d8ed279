"""The curves of several trainings in one picture. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

import numpy as np

from caffe_pylayers.cli._curves.log import Row
from caffe_pylayers.cli._curves.picture import new_figure, plain, save
from caffe_pylayers.cli._curves.plot import LINES, Curve, below, choose_scale, curves_of, metrics_label

COLORS = ("#1f5fa8", "#c8551b", "#2a7f76", "#7b4fa3", "#8a6d1d", "#b03060", "#5a6b7d", "#3d8b37")
MARKERS = ("o", "s", "^")
BESIDE = 4  # entries of a legend that have room among the curves


def compare(logs: Mapping[str, tuple[list[str], list[Row]]], path: Path, title: str) -> None:
    """Draw each log's training loss and, where any has one, its metrics from 0 to 1 below.

    logs: columns and rows, by the name in the legend.
    """
    curves = {name: curves_of(*log) for name, log in logs.items()}
    metrics = {name: [curve for curve in found[1:] if curve.is_metric] for name, found in curves.items()}
    measured = [curve for found in metrics.values() for curve in found]
    figure = new_figure(9, 7 if measured else 5)
    losses, *below_them = figure.subplots(2 if measured else 1, 1, sharex=True, squeeze=False)[:, 0]
    for (name, (loss, *_)), color in zip(curves.items(), COLORS * len(curves)):
        losses.plot(loss.x, loss.y, color=color, alpha=0.25, linewidth=0.7)
        smooth = loss.smoothed()
        losses.plot(smooth.x, smooth.y, color=color, linewidth=1.8, label=plain(name))
        for axes in below_them:
            _draw_metrics(axes, metrics[name], name, color)
    choose_scale(losses, np.concatenate([found[0].y for found in curves.values()]))
    _finish(losses, "training loss")
    for axes in below_them:
        legend = {"ncol": 2, **below(figure, len(measured), 2)} if len(measured) > BESIDE else {}
        _finish(axes, metrics_label(measured), **legend)
    losses.set_title(plain(title), loc="left", fontsize=11)
    figure.axes[-1].set_xlabel("iteration")
    save(figure, path)


def _draw_metrics(axes: Any, curves: list[Curve], name: str, color: str) -> None:
    for i, curve in enumerate(curves):
        marker = MARKERS[i // len(LINES) % len(MARKERS)]
        style = {"linestyle": LINES[i % len(LINES)], "marker": marker, "linewidth": 1.4, **curve.marks}
        axes.plot(curve.x, curve.y, color=color, label=plain(f"{name}: {curve.label} {curve.y[-1]:.4f}"), **style)


def _finish(axes: Any, label: str, **legend: Any) -> None:
    axes.set_ylabel(label)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False, fontsize=9, **legend)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

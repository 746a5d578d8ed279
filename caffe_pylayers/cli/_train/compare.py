"""The curves of several trainings in one picture. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from caffe_pylayers import _files
from caffe_pylayers.cli._train.log import Row
from caffe_pylayers.cli._train.plot import curves_of, use_log_scale

COLORS = ("#1f5fa8", "#c8551b", "#2a7f76", "#7b4fa3", "#8a6d1d", "#b03060", "#5a6b7d", "#3d8b37")


def compare(logs: Mapping[str, tuple[list[str], list[Row]]], path: Path, title: str) -> None:
    """Draw each log's training loss and, where any has one, its accuracies below."""
    curves = {name: curves_of(*log) for name, log in logs.items()}
    rated = any(curve.is_accuracy for found in curves.values() for curve in found)
    figure = Figure(figsize=(9, 7 if rated else 5), dpi=130)
    FigureCanvasAgg(figure)
    losses, *accuracies = figure.subplots(2 if rated else 1, 1, sharex=True, squeeze=False)[:, 0]
    for (name, (loss, *tests)), color in zip(curves.items(), COLORS * len(curves)):
        losses.plot(loss.x, loss.y, color=color, alpha=0.25, linewidth=0.7)
        smooth = loss.smoothed()
        losses.plot(smooth.x, smooth.y, color=color, linewidth=1.8, label=name)
        for axes in accuracies:
            for curve in filter(lambda curve: curve.is_accuracy, tests):
                last = f"{name}: {curve.label} {curve.y[-1]:.4f}"
                axes.plot(curve.x, curve.y, color=color, marker="o", markersize=4, linewidth=1.4, label=last)
    values = np.concatenate([found[0].y for found in curves.values()])
    if values.size and (values > 0).all():
        use_log_scale(losses, values.max() / values.min())
    for axes, label in zip((losses, *accuracies), ("training loss", "accuracy")):
        _finish(axes, label)
    losses.set_title(title, loc="left", fontsize=11)
    figure.axes[-1].set_xlabel("iteration")
    figure.tight_layout()
    with _files.whole(path) as temporary:
        figure.savefig(temporary, format="png")


def _finish(axes: Any, label: str) -> None:
    axes.set_ylabel(label)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False, fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

"""Data layers go on where a training does.

A caffemodel and a solverstate say nothing of the data. But what a data layer has read follows from the iterations
behind it: so it can be told where to go on, with snapshots of either engine and of any program, and no file more.
"""

from __future__ import annotations

from typing import Any


def resume(net: Any, batches: int) -> None:
    """Have the net's layers that can, go on as after so many batches: those with a ``start_at_batch``.

    batches: of this process; of several solvers that train together each has read as many.
    """
    for layer in net.layers:
        start = getattr(layer, "start_at_batch", None)
        if callable(start):
            start(batches)

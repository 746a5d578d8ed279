"""Progress of a training: a bar on a terminal, lines elsewhere.

Speed and the time left count the iterations alone, not tests and snapshots.
"""

from __future__ import annotations

import sys
from collections import deque
from datetime import timedelta
from typing import Any, Callable

from caffe_pylayers.cli._training.evaluation import Results

LINE_EVERY = 100  # iterations, where the solver has no display


class Progress:
    """Plain lines, flushed, every ``display`` iterations and at the last.

    total: the last iteration.
    average: the number of iterations that the shown loss is averaged over.
    """

    def __init__(self, total: int, display: int, average: int) -> None:
        self._total = total
        self._every = display if display > 0 else LINE_EVERY
        self._losses: deque[float] = deque(maxlen=average)
        self._seconds: deque[float] = deque(maxlen=self._every)

    def update(self, iteration: int, loss: float, lr: float | None, seconds: float) -> None:
        """Show an iteration's loss and learning rate.

        seconds: its duration.
        """
        self._losses.append(loss)
        self._seconds.append(seconds)
        mean = sum(self._losses) / len(self._losses)
        self._show(iteration, f"loss {mean:.4g}" + ("" if lr is None else f"  lr {lr:.4g}"))

    def shows(self, iteration: int) -> bool:
        """Return True if a line is printed of this iteration."""
        return iteration % self._every == 0 or iteration == self._total

    def _show(self, iteration: int, numbers: str) -> None:
        if not self.shows(iteration):
            return
        rate = len(self._seconds) / max(sum(self._seconds), 1e-9)
        speed = f"{rate:.1f}" if rate >= 10 else f"{rate:.2f}"
        left = timedelta(seconds=round((self._total - iteration) / rate))
        self.say(f"iteration {iteration}/{self._total}  {numbers}  {speed} it/s  ETA {left}")

    def tested(self, iteration: int, results: Results) -> None:
        """Print the results of the tests, a line for each test net."""
        lines: dict[str, list[str]] = {}
        for column, value in results.items():
            net, output = column.split("/", 1)
            lines.setdefault(net, []).append(f"{output} {value:.4g}")
        for net, outputs in lines.items():
            title = "test" if net == "test" else f"test net #{net[len('test') :]}:"
            self.say(f"iteration {iteration}  {title} {'  '.join(outputs)}")

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def close(self) -> None:
        """End the display of iterations."""


class Bar(Progress):
    """A tqdm bar; lines are printed above it.

    start: the iteration that training starts at.
    """

    def __init__(self, tqdm: Callable[..., Any], start: int, total: int, average: int) -> None:
        super().__init__(total, display=1, average=average)
        self._bar = tqdm(
            initial=start,
            total=total,
            unit="it",
            file=sys.stdout,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}  {rate_fmt}  ETA {remaining}  {desc}",
        )

    def shows(self, iteration: int) -> bool:
        """Return False: the bar shows what is known."""
        return False

    def _show(self, iteration: int, numbers: str) -> None:
        self._bar.set_description_str(numbers, refresh=False)
        self._bar.update()

    def tested(self, iteration: int, results: Results) -> None:
        """Print the results above the bar; its clock stands still while the tests run."""
        super().tested(iteration, results)
        self._bar.unpause()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


def make_progress(start: int, total: int, display: int, average: int) -> Progress:
    """Return a bar where standard output is a terminal and tqdm is installed, else lines."""
    if sys.stdout.isatty():
        try:
            from tqdm import tqdm
        except ModuleNotFoundError as error:
            if error.name != "tqdm":
                raise
        else:
            return Bar(tqdm, start, total, average)
    return Progress(total, display, average)

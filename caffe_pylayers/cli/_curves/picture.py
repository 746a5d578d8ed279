"""Pictures of curves: their formats, their texts, and their files. Needs matplotlib."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any, Iterator

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from caffe_pylayers._disk import files

# Without the time of day, equal curves give equal files.
_METADATA: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure, in inches. pyplot would choose a backend for the whole process."""
    figure = Figure(figsize=(width, height), dpi=130)
    FigureCanvasAgg(figure)
    return figure


def plain(text: str, longest: int = 60) -> str:
    """Return a text that matplotlib draws as it is: no formula between dollars, no label hidden by an underscore.

    longest: the number of characters beyond which its middle is left out, as it would push the curves off the picture.
    """
    if len(text) > longest:
        text = f"{text[: longest // 2]}...{text[-(longest // 2) :]}"
    drawable = text.encode("utf-8", "replace").decode().replace("$", r"\$")
    return f" {drawable}" if drawable.startswith("_") else drawable


def overlap(one: Any, other: Any) -> bool:
    """Return True where two things that are drawn, such as a legend and a title, lie over each other."""
    with _without_warnings():
        return bool(one.get_window_extent().overlaps(other.get_window_extent()))


def save(figure: Any, path: Path) -> None:
    """Write a figure whole, in the format of the path's suffix: .png, .svg or .pdf."""
    kind = path.suffix[1:].lower()
    with _without_warnings(), rc_context({"svg.hashsalt": "curves"}), files.whole(path) as temporary:
        figure.tight_layout()
        figure.savefig(temporary, format=kind, metadata=_METADATA[kind])


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box
        yield

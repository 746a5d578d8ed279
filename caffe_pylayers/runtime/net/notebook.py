"""The table that notebooks show of a net."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from caffe_pylayers._nets.forks.table import in_python
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.net.step import Step

HEADINGS = ("layer", "type", "bottoms", "tops", "learned blobs")


def table(title: str, steps: Sequence[Step], names: Sequence[str]) -> str:
    """Return HTML with a row for each layer: its name and type, its blobs with their shapes."""
    rows = [_row("th", HEADINGS)]
    for step in steps:
        bottoms, tops = ((names[i] for i in ids) for ids in (step.bottom_ids, step.top_ids))
        learned = ", ".join(_sizes(blob) for blob in step.layer.blobs)
        cells = (step.layer.name, _kind(step.layer), _shapes(bottoms, step.bottom), _shapes(tops, step.top), learned)
        rows.append(_row("td", cells))
    return f"<table><caption>{escape(title)}</caption>{''.join(rows)}</table>"


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _kind(layer: Any) -> str:
    param = layer.layer_param.python_param
    return f"{layer.type} {param.module}.{param.layer}" if in_python(layer.layer_param) else str(layer.type)


def _shapes(names: Iterable[str], blobs: Iterable[Blob]) -> str:
    return ", ".join(f"{name} {_sizes(blob)}".rstrip() for name, blob in zip(names, blobs))


def _sizes(blob: Blob) -> str:
    return " x ".join(map(str, blob.shape))

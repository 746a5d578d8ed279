"""Caffe's automatic Split layers: a blob that several layers read is copied, once for each."""

from __future__ import annotations

from collections import Counter
from typing import Any, Tuple

Slot = Tuple[int, int]  # the index of a layer, the index of its bottom or top


def insert_splits(layers: list[Any]) -> list[Any]:
    """Return copies of the layers with Split layers among them, named as Caffe names them.

    A loss weight counts as one more reader of its top and moves to the Split's first top. A bottom that no earlier
    layer makes stays as it is.
    """
    source, readers = _readers(layers)
    taken: Counter[Slot] = Counter()
    result = []
    for i, original in enumerate(layers):
        layer = _copy(original)
        result.append(layer)
        for j in range(len(layer.bottom)):
            top = source.get((i, j))
            if top is not None and readers[top] > 1:
                layer.bottom[j] = _blob(layers, top, taken[top])
                taken[top] += 1
        for j in range(len(layer.top)):
            if readers[i, j] > 1:
                weight = _weight(original, j)
                result.append(_split(layers, (i, j), readers[i, j], weight))
                if weight:
                    del layer.loss_weight[:]
                    taken[i, j] += 1
    return result


def _readers(layers: list[Any]) -> tuple[dict[Slot, Slot], Counter[Slot]]:
    """Return the top that each bottom reads, and how often each top is read."""
    last: dict[str, Slot] = {}
    source: dict[Slot, Slot] = {}
    readers: Counter[Slot] = Counter()
    for i, layer in enumerate(layers):
        for j, blob in enumerate(layer.bottom):
            if blob in last:
                source[i, j] = last[blob]
                readers[last[blob]] += 1
        for j, blob in enumerate(layer.top):
            last[blob] = (i, j)
            readers[i, j] += bool(_weight(layer, j))
    return source, readers


def _split(layers: list[Any], top: Slot, count: int, weight: float) -> Any:
    i, j = top
    split = type(layers[i])(type="Split", name=f"{layers[i].top[j]}_{layers[i].name}_{j}_split")
    split.bottom.append(layers[i].top[j])
    split.top.extend(_blob(layers, top, k) for k in range(count))
    if weight:
        split.loss_weight.extend([weight] + [0.0] * (count - 1))
    return split


def _blob(layers: list[Any], top: Slot, k: int) -> str:
    i, j = top
    return f"{layers[i].top[j]}_{layers[i].name}_{j}_split_{k}"


def _weight(layer: Any, j: int) -> float:
    return float(layer.loss_weight[j]) if j < len(layer.loss_weight) else 0.0


def _copy(layer: Any) -> Any:
    copy = type(layer)()
    copy.CopyFrom(layer)
    return copy

"""Sequences of labels of different lengths, one a row, as numpy's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffe_pylayers._layer import checks

__all__ = ["collapsed", "compacted", "edit_distances", "label_sequences", "lengths_of_marks"]


def compacted(values: Any, keep: Any) -> tuple[Any, Any]:
    """Return (sequences, lengths): the values (N, L) that are kept, one behind the other, -1 behind the last."""
    lengths = keep.sum(1)
    order = np.argsort(~keep, 1, "stable")[:, : max(lengths, default=0)]
    found = np.take_along_axis(values, order, 1)
    return np.where(np.arange(found.shape[1]) < lengths[:, None], found, -1), lengths


def collapsed(values: Any, lengths: Any, blank: int, merge_repeated: bool = True) -> tuple[Any, Any]:
    """Return (sequences, lengths) of what paths spell: without blanks, and of equal neighbours one.

    values: (N, T), classes. lengths: (N,), how many of each count.
    """
    keep = (values != blank) & (np.arange(values.shape[1]) < lengths[:, None])
    if merge_repeated:
        keep[:, 1:] &= values[:, 1:] != values[:, :-1]
    return compacted(values, keep)


def label_sequences(
    layer: Any, labels: Any, classes: int, blank: int, offset: int = 0, merge_repeated: bool = False
) -> tuple[Any, Any]:
    """Return (sequences, lengths) of labels (N, L), to whose numbers the offset is added.

    A negative label and those behind it are none, and neither is the blank. merge_repeated: of equal neighbours one
    counts. Raises ValueError for a label that is no class.
    """
    keep = np.logical_and.accumulate(~(labels < 0), axis=1) & (labels + offset != blank)
    if merge_repeated:
        keep[:, 1:] &= labels[:, 1:] != labels[:, :-1]
    index, _ = checks.class_labels(layer, labels, classes - offset, where=keep.ravel())
    return compacted(index.reshape(keep.shape) + offset, keep)


def lengths_of_marks(cont: Any) -> Any:
    """Return the steps (N,) of the sequences that begin at the first of the marks (T, N): up to the next 0."""
    ends = cont < 0.5
    ends[:1] = False
    return np.where(ends.any(0), ends.argmax(0) if len(ends) else 0, len(ends))


def edit_distances(ours: Any, lengths: Any, theirs: Any, their_lengths: Any) -> Any:
    """Return Levenshtein's distances (N,) of sequences (N, L) and (N, M): insertions, deletions and substitutions."""
    places = np.arange(theirs.shape[1] + 1)
    row = np.tile(places, (len(ours), 1))
    for i in range(ours.shape[1]):
        new = row + 1
        new[:, 1:] = np.minimum(new[:, 1:], row[:, :-1] + (theirs != ours[:, i : i + 1]))
        new = np.minimum.accumulate(new - places, axis=1) + places  # insertions from the left
        row = np.where((i < lengths)[:, None], new, row)
    return np.take_along_axis(row, np.asarray(their_lengths)[:, None], 1)[:, 0]

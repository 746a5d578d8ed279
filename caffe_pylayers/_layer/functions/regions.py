"""Regions of label maps: which positions hang together, and how far the nearest two regions are. For numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def connected_regions(labels: Any, background: float = 0, diagonal: bool = True) -> Any:
    """Return region numbers int64, 0 on the background, for positions of equal label that hang together.

    labels: (N, H, W); the regions are numbered from 1 through the whole batch, by their first positions.
    diagonal: whether positions that touch at a corner hang together: 8 neighbours instead of 4.
    """
    first = labels != background
    inside = first.copy()
    first[:, :, 1:] &= labels[:, :, 1:] != labels[:, :, :-1]
    run = np.cumsum(first).reshape(labels.shape) * inside  # the runs of equal labels along the rows
    pairs = []
    for shift in (-1, 0, 1) if diagonal else (0,):
        upper = slice(max(-shift, 0), labels.shape[2] - max(shift, 0))
        lower = slice(max(shift, 0), labels.shape[2] - max(-shift, 0))
        above, below = run[:, :-1, upper].ravel(), run[:, 1:, lower].ravel()
        touch = (above != 0) & (below != 0) & (labels[:, :-1, upper] == labels[:, 1:, lower]).ravel()
        pairs.append(np.stack([above[touch], below[touch]]))
    root = _roots(int(run.max(initial=0)) + 1, _without_repeats(np.concatenate(pairs, 1)))
    return np.unique(root, return_inverse=True)[1].reshape(-1)[run]


def _without_repeats(pairs: Any) -> Any:
    """Return the pairs (2, P) without those that equal the one before."""
    new = np.ones(pairs.shape[1], bool)
    new[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(0)
    return pairs[:, new]


def _roots(count: int, pairs: Any) -> Any:
    """Return for each of count numbers the smallest that it is connected to by pairs (2, P)."""
    root = np.arange(count)
    while True:
        ends = root[pairs]
        apart = ends[0] != ends[1]
        if not apart.any():
            return root
        pairs, ends = pairs[:, apart], ends[:, apart]
        np.minimum.at(root, ends.max(0), ends.min(0))
        while True:  # until each points to the end of its chain
            above = root[root]
            if np.array_equal(above, root):
                break
            root = above


def numbered_labels(labels: Any, background: float = 0) -> Any:
    """Return region numbers int64, 0 on the background, for the labels (N, H, W) of each image."""
    inside = labels != background
    values, label = np.unique(labels[inside], return_inverse=True)
    key = label.reshape(-1) + inside.nonzero()[0] * len(values)
    numbers = np.zeros(labels.shape, np.int64)
    numbers[inside] = np.unique(key, return_inverse=True)[1].reshape(-1) + 1
    return numbers


def region_boxes(regions: Any) -> Any:
    """Return (image, top, bottom, left, right) for the regions 1, 2, ..., ends exclusive, of numbers (N, H, W)."""
    at = np.flatnonzero(regions)
    at = at[np.argsort(regions.ravel()[at], kind="stable")]
    first = np.flatnonzero(np.diff(regions.ravel()[at], prepend=0))
    if not len(first):
        return np.zeros((0, 5), np.int64)
    image, row, column = np.unravel_index(at, regions.shape)
    ends = [f.reduceat(x, first) + i for x in (row, column) for f, i in ((np.minimum, 0), (np.maximum, 1))]
    return np.stack([image[first], *ends], 1)


def squared_distances(mask: Any, reach: float = math.inf) -> Any:
    """Return the squared Euclidean distances of all positions (H, W) to the nearest one of the mask.

    Exact: first along the columns, then along the rows, where a step of k adds k**2, so that none
    beyond the largest distance found can shorten it.

    reach: distances beyond it are infinite.
    """
    height, width = mask.shape
    row = np.arange(height, dtype=float)[:, None]
    above = np.maximum.accumulate(np.where(mask, row, -np.inf), 0)
    below = np.minimum.accumulate(np.where(mask, row, np.inf)[::-1], 0)[::-1]
    columns = np.minimum(row - above, below - row) ** 2
    found = columns.copy()
    for k in range(1, width):
        if k > reach or k * k >= found.max():
            break
        step = columns + k * k
        np.minimum(found[:, k:], step[:, :-k], out=found[:, k:])
        np.minimum(found[:, :-k], step[:, k:], out=found[:, :-k])
    found[found > reach * reach] = np.inf
    return found


def nearest_two(regions: Any, reach: float = math.inf) -> Any:
    """Return the distances of all positions (N, H, W) to the nearest region and to the second nearest.

    regions: numbers as connected_regions and numbered_labels give them.
    reach: distances beyond it are infinite.
    """
    nearest = np.full((2, *regions.shape), np.inf)
    for number, (image, top, bottom, left, right) in enumerate(region_boxes(regions), 1):
        margin = int(min(reach, max(regions.shape)))
        rows = slice(max(top - margin, 0), bottom + margin)
        columns = slice(max(left - margin, 0), right + margin)
        one, two = nearest[:, image, rows, columns]
        useful = min(reach, math.sqrt(two.max()))  # what is farther away than two others is neither
        squares = squared_distances(regions[image, rows, columns] == number, useful)
        np.minimum(two, np.maximum(one, squares), out=two)
        np.minimum(one, squares, out=one)
    return np.sqrt(nearest)

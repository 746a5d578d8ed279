"""Sums of many rectangles of maps at once, and their gradient."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np

from caffe_pylayers._layer import arrays

_BLOCK = 1 << 18  # values of the maps summed up at a time: what fits a core's cache
_STEP = 1 << 10  # values of the maps that are summed up in the time of one more step cell by cell


def range_sums(xp: Any, maps: Any, which: Any, rows: Any, columns: Any) -> Any:
    """Return the sum of each of B rectangles, (B, C) in float64, as differences of large sums lose float32's digits.

    Where that takes numpy less work, cell by cell. Else with S[y, x] the sum of all cells above row y and left of
    column x, a rectangle's is S[bottom, right] - S[top, right] - S[bottom, left] + S[top, left], so that its own size
    does not matter; those of a map that has NaN or infinity, which would be in all sums behind, one by one.

    maps: (N, G, H, W, C).
    which: the map of each rectangle, n G + g, numpy int64 (B,).
    rows, columns: pairs (start, end) of numpy int64 (B,): it has start .. end - 1, none where they are equal.
    """
    height, width, channels = maps.shape[2:]
    cells = (rows[1] - rows[0]) * (columns[1] - columns[0])
    if isinstance(maps, np.ndarray) and cells.sum() * channels + cells.max(initial=0) * _STEP <= maps.size:
        return _cell_by_cell(maps, which, rows[0], columns, cells)
    sums = arrays.new(maps, (len(which), channels), float)
    for image, part, mine, group in _blocks(maps, which):
        above = arrays.new(maps, (height + 1, width + 1, part.stop - part.start, channels), float)
        above[0], above[:, 0] = 0, 0
        above[1:, 1:] = xp.moveaxis(maps[image, part], 0, 2)
        with np.errstate(invalid="ignore"):  # of infinity less infinity
            _accumulate(xp, above, 0)
            _accumulate(xp, above, 1)
            flat, corners = above.reshape(-1, channels), _corners(maps, group, mine, rows, columns, above)
            found = flat[corners[0]]
            found -= flat[corners[1]]
            found -= flat[corners[2]]
            found += flat[corners[3]]
        sums[arrays.index_like(mine, sums)] = found
        finite = arrays.to_numpy(xp.isfinite(above[-1, -1]).all(1))
        for i in mine[~finite[group]].tolist():
            cells_of_map = maps[image, int(which[i]) - image * maps.shape[1]]
            rectangle = cells_of_map[rows[0][i] : rows[1][i], columns[0][i] : columns[1][i]]
            sums[i] = arrays.astype(rectangle, sums).sum((0, 1))
    return sums


def range_sums_backward(xp: Any, which: Any, rows: Any, columns: Any, d_sums: Any, d_maps: Any) -> None:
    """Write to d_maps, (N, G, H, W, C), the sum at each cell of the gradients of the rectangles that have it.

    d_sums: (B, C).
    """
    height, width, channels = d_maps.shape[2:]
    of_channel = arrays.index_like(np.arange(channels), d_maps)
    for image, part, mine, group in _blocks(d_maps, which):
        above = arrays.new(d_maps, (height + 1, width + 1, part.stop - part.start, channels), float)
        arrays.fill(above, 0)
        values = arrays.astype(d_sums[arrays.index_like(mine, d_sums)], above)
        places = _corners(d_maps, group, mine, rows, columns, above)[..., None] * channels + of_channel
        arrays.add_at(above.reshape(-1), places.reshape(-1), xp.stack([values, -values, -values, values]).reshape(-1))
        _accumulate(xp, above, 0)
        _accumulate(xp, above, 1)
        d_maps[image, part] = xp.moveaxis(above[:height, :width], 2, 0)


def _cell_by_cell(maps: Any, which: Any, top: Any, columns: Any, cells: Any) -> Any:
    """Return the sums of rectangles from all first cells, all second ones and so on, row by row; cells: how many."""
    height, width, channels = maps.shape[2:]
    flat = np.ascontiguousarray(maps).reshape(-1, channels)
    order = np.argsort(-cells, kind="stable")  # so that those that have another cell are always the first ones
    first = ((which * height + top) * width + columns[0])[order]
    across = (columns[1] - columns[0])[order]
    left = np.searchsorted(-cells[order], -np.arange(cells.max(initial=0)))
    sums = np.zeros((len(which), channels))
    for cell, count in enumerate(left.tolist()):
        down, right = np.divmod(cell, across[:count])
        sums[:count] += flat.take(first[:count] + down * width + right, 0)
    found = np.empty_like(sums)
    found[order] = sums
    return found


def _blocks(maps: Any, which: Any) -> Iterator[Any]:
    """Yield (image, groups, rectangles, group): the index of those on these maps, and each one's among the groups."""
    images, groups, height, width, channels = maps.shape
    step = groups
    if isinstance(maps, np.ndarray):
        step = min(max(_BLOCK // max(height * width * channels, 1), 1), groups)
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(images * groups + 1))
    for image in range(images):
        for start in range(0, groups, step):
            part = slice(start, min(start + step, groups))
            first, last = (image * groups + end for end in (part.start, part.stop))
            mine = order[ends[first] : ends[last]]
            yield image, part, mine, which[mine] - first


def _corners(maps: Any, group: Any, mine: Any, rows: Any, columns: Any, above: Any) -> Any:
    """Return the places in sums (H + 1, W + 1, G) of rectangles' corners: last, upper right, lower left, first."""
    (top, bottom), (left, right) = ([edge[mine] for edge in pair] for pair in (rows, columns))
    width, groups = above.shape[1:3]
    pairs = (bottom, right), (top, right), (bottom, left), (top, left)
    return arrays.index_like(np.stack([(y * width + x) * groups + group for y, x in pairs]), maps)


def _accumulate(xp: Any, values: Any, axis: int) -> None:
    """Sum up along axis 0 or 1 in place; numpy's cumsum takes up to three times as long."""
    if not isinstance(values, np.ndarray):
        values[...] = xp.cumsum(values, axis)
        return
    steps = np.moveaxis(values, axis, 0)
    for i in range(1, len(steps)):
        steps[i] += steps[i - 1]

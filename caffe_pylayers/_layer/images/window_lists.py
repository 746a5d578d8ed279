"""Images with boxes as MS-CNN's and Cascade R-CNN's window files list them.

    # 0
    images/000001.png
    3 375 1242
    2
    1 0 712 143 810 307
    2 1 599 156 629 189
    1
    0 0 100 50

A record is: a number, a path, channels, height and width; how many objects, and for each its class from 1 on, 1 for one
to ignore, in Cascade R-CNN's 1 for a difficult one, and x1, y1, x2, y2; how many regions of no interest, and for each
x1, y1, x2, y2.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from caffe_pylayers._layer.data.list_files import check_files, lines
from caffe_pylayers._layer.quote import short


class Windows(NamedTuple):
    """An image with its boxes, float64.

    where: what messages call it. size: (height, width), as the file says. rows: x1, y1, x2, y2, class, ignored, and
    difficult where the file has it, (G, 6) or (G, 7). regions: of no interest, (K, 4).
    """

    where: str
    path: str
    size: tuple[int, int]
    rows: Any
    regions: Any


def read_windows(source: str, root: str, flags: int) -> list[Windows]:
    """Read a window file; ValueError names the record that is wrong, or whose image is not there.

    root: the folder of the images. flags: of an object, 1 or 2.
    """
    starts: list[tuple[str, list[str]]] = []
    for where, text in lines(source):
        if text.startswith("#"):
            starts.append((where, []))
        elif not starts:
            raise ValueError(f"{where}: needs a record, which begins with #, got {short(text)}")
        starts[-1][1].extend(text.split())
    found = [_record(where, [word for word in words if word != "#"], root, flags) for where, words in starts]
    check_files([each.where for each in found], [each.path for each in found])
    return found


def _record(where: str, words: list[str], root: str, flags: int) -> Windows:
    columns = 5 + flags
    try:
        number, path, *rest = words
        values = np.array([number.lstrip("#") or "0", *rest], np.float64)
        height, width, count = values[2:5].astype(int).tolist()
        regions = 5 + count * columns
        objects, more = (
            values[5:regions].reshape(count, columns),
            values[regions + 1 :].reshape(int(values[regions]), 4),
        )
    except (ValueError, IndexError):
        raise ValueError(
            f"{where}: needs a path, channels, height, width, objects of {columns} numbers and regions of 4, each "
            f"behind their number, got {short(' '.join(words))}"
        ) from None
    rows = np.concatenate([objects[:, 1 + flags :], objects[:, : 1 + flags]], 1)
    bad = ~((rows[:, 4] > 0) & (rows[:, :2] <= rows[:, 2:4]).all(1))
    whole = np.concatenate([values[1:5], values[[regions]], objects[:, : 1 + flags].ravel()])
    if bad.any() or min(height, width) < 1 or not np.isfinite(values).all() or (whole != np.floor(whole)).any():
        raise ValueError(
            f"{where}: needs a height and a width above 0, and objects of a class from 1 on that do not end before "
            f"they begin, with whole numbers for sizes, classes and flags, got {short(' '.join(words))}"
        )
    if root:
        path = os.path.join(root, path.lstrip("/"))
    return Windows(where, path, (height, width), rows, more)

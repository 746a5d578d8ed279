"""What each layer type of a fork is here: a layer of the library, or a type of stock Caffe that equals it.

The one table of it: a fork's net as it is, its port to stock Caffe, and the errors read it.
"""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect, always
from caffe_pylayers._nets.forks.names import fork_of_type
from caffe_pylayers._nets.forks.rows import (
    classification,
    data,
    deformable,
    domains,
    faces,
    flow,
    frcnn,
    mscnn,
    normalization,
    rcnn,
    segmentation,
    sequences,
    ssd,
    yolo,
)

DIALECTS: list[Dialect] = [
    row
    for family in (
        classification,
        data,
        deformable,
        domains,
        faces,
        flow,
        frcnn,
        mscnn,
        normalization,
        rcnn,
        segmentation,
        sequences,
        ssd,
        yolo,
    )
    for row in family.ROWS
]
DIALECTS.sort(key=lambda row: row.meant is always)  # what any other layer of a type means stands behind

KINDS = frozenset(row.kind for row in DIALECTS if fork_of_type(row.kind))  # the others are Caffe's own
TOLD = KINDS | {"BatchNorm"}  # whose rows may look at the blobs of a caffemodel
BY_BLOBS = frozenset(["BN", "BatchNorm", "Normalize"])  # by these their rows are told
_UNMARKED = [row for row in DIALECTS if row.unmarked]
EQUALS = {row.kind: row.equal for row in DIALECTS if row.equal and row.kind in KINDS}  # by a fork's type, Caffe's
_IN_PYTHON = {"Python"} | {row.kind for row in DIALECTS if row.layer}


def dialect_of(layer: Any) -> Dialect | None:
    """Return the row of a layer, in messages that have the forks' fields; None where it has none."""
    return next((row for row in DIALECTS if row.kind == layer.type and row.meant(layer)), None)


def is_unmarked(layer: Any) -> bool:
    """Return True for a layer of a type of Caffe that only a fork takes so; in any messages."""
    return any(row.kind == layer.type and row.meant(layer) for row in _UNMARKED)


def engine_type(layer: Any) -> str:
    """Return the type of Caffe that computes a lowered layer: its own, Python, or the one that a fork's type equals.

    The type alone tells: a layer that has none of its type's meanings is a fault of the net, which lowering finds.
    """
    return "Python" if in_python(layer) else EQUALS.get(layer.type, layer.type)


def is_done(layer: Any) -> bool:
    """Return True for a lowered layer that another type than its own computes."""
    return engine_type(layer) != str(layer.type)


def in_python(layer: Any) -> bool:
    """Return True for a layer that its python_param's class computes: of the type Python, or lowered from a fork's."""
    return layer.type in _IN_PYTHON and layer.HasField("python_param")

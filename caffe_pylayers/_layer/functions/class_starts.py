"""Where the codes of labels lie in memory."""

from __future__ import annotations

import math
from typing import Any

from caffe_pylayers._layer import arrays


def class_starts(labels: Any, shape: Any, axis: int = 1) -> Any:
    """Return for each label the flat index of its class 0 in one-hot codes of this shape: that of class c is
    ``c * math.prod(shape[axis + 1 :])`` further on.
    """
    classes, after = shape[axis], math.prod(shape[axis:][1:])
    label = arrays.arange_like(labels, math.prod(labels.shape))
    return label + label // max(after, 1) * (classes - 1) * after

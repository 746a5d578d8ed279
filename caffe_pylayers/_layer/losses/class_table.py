"""A parameter's numbers, one for each class, as an array."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._layer import arrays, checks

__all__ = ["class_table"]


def class_table(
    layer: Any, values: Any, parameter: str, scores: Any, axis: int = 1, of: str = "bottom[0] (scores)"
) -> Any:
    """Return a parameter's numbers (C,) as an array like scores, None where there are none; raise unless there are C.

    scores: of which C is the size on the axis. of: what a message calls them.
    """
    if not values:
        return None
    if len(values) != scores.shape[axis]:
        raise checks.error(
            layer,
            f"parameter {parameter} must have {scores.shape[axis]} numbers, one for each class on axis {axis} of "
            f"{of} of shape {tuple(scores.shape)}, got {len(values)}",
        )
    return arrays.from_numpy(values, scores)

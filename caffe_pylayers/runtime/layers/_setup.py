"""Parts of a layer's setup that most types share: find an axis, make the learned blobs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from caffe_pylayers.runtime.layers import fillers
from caffe_pylayers.runtime.layers.layer import Layer
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape

LEGACY_AXES = 4  # of every blob in an old file


def canonical_axis(layer: Layer, blob: Blob, axis: int, name: str = "axis") -> int:
    """Return the axis of bottom[0] counted from the front; LayerError unless the blob has it.

    blob: bottom[0]. axis: negative from the back. name: the parameter's, for the message.
    """
    axes = len(blob.shape)
    if not -axes <= axis < axes:
        raise layer.error(f"{name} must be in [{-axes}, {axes}) for bottom[0] of shape {blob.shape}, got {axis}")
    return axis % axes


def make_learned_blobs(
    layer: Layer, *specs: tuple[Shape, Any], fits: Callable[[Shape, Shape], bool] = operator.eq
) -> None:
    """Make the layer's learned blobs, or keep those whose values the prototxt gives.

    specs: for each blob its shape, and the FillerParameter of its values or None for zeros.
    fits: ``fits(given, shape)`` is true for the given shapes that Caffe's layer of this type takes.
    Raises LayerError for given blobs of another number or that do not fit, and for what a filler refuses.
    """
    if layer.blobs:
        given, wanted = [blob.shape for blob in layer.blobs], [shape for shape, _ in specs]
        if len(given) != len(wanted) or not all(map(fits, given, wanted)):
            raise layer.error(f"its learned blobs must have shapes {wanted}, got {given}")
        return
    for i, (shape, filler) in enumerate(specs):
        blob = Blob(shape)
        if filler is not None:
            try:
                (fillers.fill if layer.fills else fillers.check_filler)(blob, filler)
            except ValueError as error:
                raise layer.error(f"blobs[{i}]: {error}") from error
        layer.blobs.append(blob)


def same_or_legacy(given: Shape, shape: Shape) -> bool:
    """True for the shape itself and for that of a blob in an old file, with ones in front up to four axes."""
    return given in (shape, (1,) * (LEGACY_AXES - len(shape)) + shape)


def any_shape(given: Shape, shape: Shape) -> bool:
    """True: for layers that check the shapes of their learned blobs in reshape."""
    return True

"""What most layers do in setup: find an axis, make the learned blobs."""

from __future__ import annotations

from typing import Any

from caffe_pylayers.runtime.layers import fillers
from caffe_pylayers.runtime.layers.layer import Layer
from caffe_pylayers.runtime.memory.blob import Blob
from caffe_pylayers.runtime.memory.limits import Shape

LEGACY_AXES = 4  # of every blob in an old file
KEEP_LEGACY_SHAPES = ("BatchNorm", "Embed", "InnerProduct", "PReLU")


def canonical_axis(layer: Layer, blob: Blob, axis: int, name: str = "axis") -> int:
    """The axis of bottom[0] counted from the front; refused unless the blob has it."""
    axes = len(blob.shape)
    if not -axes <= axis < axes:
        raise layer.error(f"{name} must be in [{-axes}, {axes}) for bottom[0] of shape {blob.shape}, got {axis}")
    return axis % axes


def make_learned_blobs(layer: Layer, *specs: tuple[Shape, Any]) -> None:
    """Make the layer's learned blobs: for each its shape, and the FillerParameter of its values or None for zeros.

    Blobs whose values the prototxt gives are kept; those of old files may have leading axes of 1, up to 4 in all,
    and lose them unless Caffe keeps them in layers of this type.
    LayerError for kept blobs of other shapes, and for what a filler refuses.
    """
    if layer.blobs:
        found, wanted = [blob.shape for blob in layer.blobs], [shape for shape, _ in specs]
        fits = [blob == shape or blob == _legacy(shape) for blob, shape in zip(found, wanted)]
        layer.check(
            len(found) == len(wanted) and all(fits), f"its learned blobs must have shapes {wanted}, got {found}"
        )
        if layer.type not in KEEP_LEGACY_SHAPES:
            for blob, shape in zip(layer.blobs, wanted):
                blob.reshape(*shape)
        return
    for i, (shape, filler) in enumerate(specs):
        blob = Blob(shape)
        if filler is not None:
            try:
                (fillers.fill if layer.fills else fillers.check_filler)(blob, filler)
            except ValueError as error:
                raise layer.error(f"blobs[{i}]: {error}") from error
        layer.blobs.append(blob)


def _legacy(shape: Shape) -> Shape:
    """The shape of a blob in an old file."""
    return (1,) * (LEGACY_AXES - len(shape)) + shape

"""Which layout the layers of images compute in."""

from __future__ import annotations

from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.limits import Shape
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST, CONTIGUOUS


def image_layout(shape: Shape) -> str:
    """The faster layout for convolution, pooling and normalization of blobs of this shape.

    On the CPU PyTorch's kernels vectorize over channels, which is why channels come last there.
    """
    on_host = device.current() == device.HOST
    return CHANNELS_LAST if len(shape) == 4 and on_host else CONTIGUOUS

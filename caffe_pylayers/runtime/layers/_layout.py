"""The memory layout in which the layers of images compute."""

from __future__ import annotations

from caffe_pylayers.runtime.memory import device
from caffe_pylayers.runtime.memory.limits import Shape
from caffe_pylayers.runtime.memory.memory import CHANNELS_LAST, CONTIGUOUS


def image_layout(shape: Shape) -> str:
    """Return the layout in which convolution, pooling and normalization of a blob of this shape are faster.

    It is channels-last for four axes on the CPU, where PyTorch's kernels vectorize over channels.
    """
    on_host = device.current() == device.HOST
    return CHANNELS_LAST if len(shape) == 4 and on_host else CONTIGUOUS

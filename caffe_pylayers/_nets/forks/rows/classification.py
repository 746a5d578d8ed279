"""Classification and mobile nets."""

from __future__ import annotations

from typing import Any

from caffe_pylayers._nets.forks.dialects import Dialect


def _one_group_each(layer: Any) -> None:
    layer.convolution_param.group = layer.convolution_param.num_output


ROWS = [
    Dialect("DepthwiseConvolution", equal="Convolution"),
    Dialect("ConvolutionDepthwise", equal="Convolution", change=_one_group_each),
    Dialect("ShuffleChannel", "shuffles.ChannelShuffle", "shuffle_channel_param", "group=groups"),
    Dialect("ReLU6", "activations.ReLU6", "relu6_param", "negative_slope"),
    Dialect("Mish", "activations.Mish"),
]
